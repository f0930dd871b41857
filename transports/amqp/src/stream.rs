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
    traits::Reactor,
    util::{DummyIO, RuntimeParts},
};
use futures_core::Stream as Values;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use tokio::net::TcpStream;

use crate::greeting::{Greeting, Version};

/// The bytes as they come from the socket, deciphered if there is TLS.
pub(crate) type Clear = AsyncTcpStream<Compat<TcpStream>>;

/// What lapin is given: a stream whose greeting is overheard, because lapin tells nobody the version
/// that is in it.
pub(crate) struct Overheard {
    clear: Clear,
    greeting: Greeting,
    version: Arc<OnceLock<Version>>,
}

impl Overheard {
    /// `version` is set once the broker has said it.
    pub(crate) fn new(clear: Clear, version: Arc<OnceLock<Version>>) -> Self {
        Self {
            clear,
            greeting: Greeting::default(),
            version,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        if let Some(version) = self.greeting.feed(bytes) {
            // There is one greeting on a connection.
            let _ = self.version.set(version);
        }
    }
}

impl fmt::Debug for Overheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overheard").finish_non_exhaustive()
    }
}

impl AsyncRead for Overheard {
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

impl AsyncWrite for Overheard {
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

/// tokio's time and sockets, under streams of our own. lapin takes the type of its streams from here;
/// it is never asked to make one.
#[derive(Clone, Debug)]
pub(crate) struct Streams(Tokio);

/// What lapin runs on: the tokio runtime of the caller.
pub(crate) fn runtime() -> Runtime<RuntimeParts<Tokio, Streams>> {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Streams(tokio)))
}

fn never<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Reactor for Streams {
    type TcpStream = Overheard;
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
