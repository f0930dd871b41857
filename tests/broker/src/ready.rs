//! Waiting until a node is really up: an open port is not enough, the broker must speak.

use crate::StartError;
use crate::folder::Folder;
use crate::greeting::Greeting;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

const START_PATIENCE: Duration = Duration::from_secs(60);
const EPMD_PATIENCE: Duration = Duration::from_secs(10);
const GREETING_PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(20);

/// Waits until the node greets with its own name, and returns its version.
pub(crate) fn await_node(vm: &mut Child, port: u16, folder: &Folder) -> Result<String, StartError> {
    let deadline = Instant::now() + START_PATIENCE;
    while Instant::now() < deadline {
        if let Some(version) = greeting_of(port, folder, GREETING_PATIENCE) {
            return Ok(version);
        }
        if vm.try_wait()?.is_some() {
            return Err(StartError::Ended {
                log: folder.log_tail(),
            });
        }
        thread::sleep(STEP);
    }
    Err(StartError::TimedOut {
        log: folder.log_tail(),
    })
}

/// The version of the node, if it is this node that answers on the port.
pub(crate) fn greeting_of(port: u16, folder: &Folder, patience: Duration) -> Option<String> {
    let greeting = Greeting::of(loopback(port), patience).ok()?;
    (greeting.cluster == folder.name()).then_some(greeting.version)
}

/// Waits until the node listens for clients that speak TLS: it does so after it has begun to greet the others.
pub(crate) fn await_tls(port: u16, folder: &Folder) -> Result<(), StartError> {
    let deadline = Instant::now() + START_PATIENCE;
    while TcpStream::connect_timeout(&loopback(port), GREETING_PATIENCE).is_err() {
        if Instant::now() >= deadline {
            return Err(StartError::TimedOut {
                log: folder.log_tail(),
            });
        }
        thread::sleep(STEP);
    }
    Ok(())
}

/// Waits until the name server of Erlang nodes listens. A node that finds none would start one that outlives it.
pub(crate) fn await_epmd(port: u16) -> Result<(), StartError> {
    let deadline = Instant::now() + EPMD_PATIENCE;
    while TcpStream::connect_timeout(&loopback(port), GREETING_PATIENCE).is_err() {
        if Instant::now() >= deadline {
            return Err(StartError::Ended {
                log: "epmd did not start; it comes with Erlang and must be on PATH".into(),
            });
        }
        thread::sleep(STEP);
    }
    Ok(())
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
