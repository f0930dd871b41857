//! How is lapin given a connection of another type than its own?

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use async_rs::{Tokio, traits::Reactor, util::RuntimeParts};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};

use super::Guarded;
use crate::overheard::Overheard;

/// tokio, with guarded connections.
pub(crate) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, Guarding>>;

/// The runtime that calls this.
pub(crate) fn runtime() -> Runtime {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Guarding(tokio)))
}

/// tokio's timers. lapin takes the type of its connections from here; it is never asked to make one.
#[derive(Clone, Debug)]
pub(crate) struct Guarding(Tokio);

fn never<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Reactor for Guarding {
    type TcpStream = Guarded<Overheard>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        never::<Self::TcpStream>()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(never())
    }
}
