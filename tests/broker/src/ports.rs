//! Free ports for a node.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which systems take ports for outgoing connections (32768 on Linux, 49152 elsewhere): a node
/// that is down for a moment would lose a port of that range to any client that happens to connect somewhere.
const LOWEST: u16 = 10_240;
const COUNT: u64 = 21_000;
const ATTEMPTS: u32 = 1_000;

/// The ports of a node. It keeps them over a restart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    /// For clients.
    pub(crate) amqp: u16,
    /// For clients that speak TLS.
    pub(crate) tls: u16,
    /// For `rabbitmqctl`.
    pub(crate) distribution: u16,
    /// Of the name server of Erlang nodes.
    pub(crate) epmd: u16,
}

impl Ports {
    /// Ports on which nobody listens now. Another process may take one before the node does.
    pub(crate) fn free() -> io::Result<Self> {
        // All are held until the last is found, so that they differ.
        let held = [hold_one()?, hold_one()?, hold_one()?, hold_one()?];
        let [amqp, tls, distribution, epmd] = held.each_ref().map(TcpListener::local_addr);
        Ok(Self {
            amqp: amqp?.port(),
            tls: tls?.port(),
            distribution: distribution?.port(),
            epmd: epmd?.port(),
        })
    }
}

fn hold_one() -> io::Result<TcpListener> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, random_port())) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn random_port() -> u16 {
    let offset = RandomState::new().build_hasher().finish() % COUNT;
    LOWEST + u16::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Ports;

    #[test]
    fn free_ports_differ() {
        let ports = Ports::free().expect("free ports");
        assert_ne!(ports.amqp, ports.distribution);
        assert_ne!(ports.amqp, ports.epmd);
        assert_ne!(ports.distribution, ports.epmd);
    }
}
