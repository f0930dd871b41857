//! What does lapin run on?

use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::{DummyIO, Task},
};
use futures_core::Stream as Values;
use futures_io::{AsyncRead, AsyncWrite};
use tracing::instrument::WithSubscriber;

use crate::{
    discreet,
    guard::Guarded,
    overheard::{Clear, Overheard},
};

/// tokio, under streams of our own, and with logs that tell no password. lapin takes the type of its
/// streams from here; it is never asked to make one.
#[derive(Clone, Debug)]
pub(crate) struct Kit(Tokio);

/// What lapin runs on: the tokio runtime of the caller.
pub(crate) fn runtime() -> Runtime<Kit> {
    Runtime::new(Kit(Tokio::current()))
}

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<T>> {
        match discreet::dispatch() {
            Some(dispatch) => self.0.spawn(future.with_subscriber(dispatch)),
            None => self.0.spawn(future),
        }
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

fn never<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Reactor for Kit {
    type TcpStream = Guarded<Overheard<Clear>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        never::<DummyIO>()
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl Values<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(never())
    }
}
