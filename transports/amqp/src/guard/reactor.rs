//! How is lapin given a connection of another type than its own?

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use async_rs::{Tokio, traits::Reactor, util::RuntimeParts};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;

use super::{Guarded, Limits};

/// tokio, with guarded connections.
pub(crate) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, Guarding>>;

type Plain = <Tokio as Reactor>::TcpStream;

/// The runtime that calls this.
pub(crate) fn runtime(limits: Limits) -> Runtime {
    let tokio = Tokio::current();
    let guarding = Guarding {
        tokio: tokio.clone(),
        limits,
    };
    Runtime::new(RuntimeParts::new(tokio, guarding))
}

/// tokio's sockets and timers.
#[derive(Clone, Debug)]
pub(crate) struct Guarding {
    tokio: Tokio,
    limits: Limits,
}

impl Reactor for Guarding {
    type TcpStream = Guarded<AsyncTcpStream<Plain>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// lapin has no use for it; and tokio's asks for a trait that cannot be named from here.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Self::TcpStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.tokio.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.tokio.tcp_connect_addr(address);
        let limits = self.limits;
        async move {
            Ok(Guarded::new(
                AsyncTcpStream::Plain(connecting.await?),
                limits,
            ))
        }
    }
}
