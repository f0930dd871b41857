//! Which stream does lapin read and write, and what is noticed as it does?

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_compat::Compat;
use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::{DummyIO, Task},
};
use futures_core::Stream as Values;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use tokio::net::TcpStream;
use tracing::instrument::WithSubscriber;

use crate::{
    discreet,
    greeting::{Greeting, Heard},
};

/// The bytes as they come from the socket, deciphered if there is TLS.
pub(crate) type Clear = AsyncTcpStream<Compat<TcpStream>>;

/// A stream whose greeting is overheard, because lapin tells nobody the version that is in it.
pub(crate) struct Overheard<S> {
    clear: S,
    greeting: Greeting,
    heard: Arc<OnceLock<Heard>>,
}

impl<S> Overheard<S> {
    /// `heard` is set once somebody has spoken at the other end.
    pub(crate) fn new(clear: S, heard: Arc<OnceLock<Heard>>) -> Self {
        Self {
            clear,
            greeting: Greeting::default(),
            heard,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        if let Some(heard) = self.greeting.feed(bytes) {
            // There is one greeting on a connection.
            let _ = self.heard.set(heard);
        }
    }
}

impl<S> fmt::Debug for Overheard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overheard").finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.clear).poll_read(context, buffer))?;
        self.hear(&buffer[..read]);
        Poll::Ready(Ok(read))
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.clear).poll_read_vectored(context, buffers))?;
        let mut left = read;
        for buffer in buffers {
            if left == 0 || self.greeting.is_over() {
                break;
            }
            let filled = left.min(buffer.len());
            self.hear(&buffer[..filled]);
            left -= filled;
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.clear).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.clear).poll_write_vectored(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.clear).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.clear).poll_close(context)
    }
}

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
    type TcpStream = Overheard<Clear>;
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

#[cfg(test)]
mod tests {
    use algedonic_test_broker::{shared_url, shared_version};

    use crate::{AmqpConfig, connect::Session, link::Part};

    #[tokio::test]
    async fn the_version_of_a_real_broker_is_overheard() {
        let broker = tokio::task::spawn_blocking(|| (shared_url(), shared_version()));
        let (url, version) = broker.await.expect("a broker");
        let config = AmqpConfig::new(&url).expect("valid");
        let (session, _changes) = Session::open(&config, Part::Publish)
            .await
            .expect("connected");
        let heard = session.version().expect("RabbitMQ says it").to_string();
        assert_eq!(heard, version);
    }
}
