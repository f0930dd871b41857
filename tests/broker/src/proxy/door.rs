//! Where connections come in, or are refused.

use super::{Shared, connection};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// The task that accepts, by its commands.
#[derive(Debug)]
pub(super) struct Door {
    address: SocketAddr,
    commands: mpsc::UnboundedSender<Command>,
    task: AbortHandle,
}

struct Command {
    accept: bool,
    done: oneshot::Sender<()>,
}

/// A port that is ours, whether somebody listens there or not.
enum Port {
    Listening(TcpListener),
    Refusing(TcpSocket),
}

impl Door {
    pub(super) async fn open(shared: Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (commands, coming) = mpsc::unbounded_channel();
        let keeping = keep(Port::Listening(listener), address, coming, shared);
        let task = tokio::spawn(keeping).abort_handle();
        Ok(Self {
            address,
            commands,
            task,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn refuse(&self) {
        self.command(false).await;
    }

    pub(super) async fn accept(&self) {
        self.command(true).await;
    }

    async fn command(&self, accept: bool) {
        let (done, waiting) = oneshot::channel();
        let told = self.commands.send(Command { accept, done }).is_ok();
        assert!(told && waiting.await.is_ok(), "the proxy's port is lost");
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts, or does not, until it is aborted; its connections end with it.
async fn keep(
    mut port: Port,
    address: SocketAddr,
    mut commands: mpsc::UnboundedReceiver<Command>,
    shared: Arc<Shared>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepting = async {
            match &port {
                Port::Listening(listener) => listener.accept().await,
                Port::Refusing(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(command) = commands.recv() => {
                port = turn(port, command.accept, address).await;
                // Whoever asked may be gone.
                let _ = command.done.send(());
            }
            Some(_) = connections.join_next() => {}
            accepted = accepting => match accepted {
                Ok((client, _)) => {
                    connections.spawn(connection::carry(client, shared.clone()));
                }
                // Out of descriptors, for example.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Accepts from now on, or refuses. A socket that is bound and does not listen refuses, and keeps the port.
async fn turn(port: Port, accept: bool, address: SocketAddr) -> Port {
    match (port, accept) {
        (Port::Listening(listener), false) => {
            drop(listener);
            Port::Refusing(bound(address).await)
        }
        (Port::Refusing(socket), true) => {
            // For the connections that are still there.
            socket.set_reuseaddr(true).expect("an open socket");
            Port::Listening(socket.listen(BACKLOG).expect("bound, and not listening"))
        }
        (port, _) => port,
    }
}

/// Binds the port again; the system may take a moment to free it.
async fn bound(address: SocketAddr) -> TcpSocket {
    let mut last = None;
    for _ in 0..500 {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("a fresh socket");
        match socket.bind(address) {
            Ok(()) => {
                // Nobody else may bind it meanwhile.
                socket.set_reuseaddr(false).expect("an open socket");
                return socket;
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{address} cannot be had again: {last:?}");
}
