//! What is noticed while lapin reads the greeting of a broker?

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use async_compat::Compat;
use futures_io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;
use tokio::net::TcpStream;

use crate::greeting::{Greeting, Heard};

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

#[cfg(test)]
mod tests {
    use algedonic_test_broker::{shared_url, shared_version};
    use algedonic_transport::Lane;

    use crate::{AmqpConfig, connect::Session, part::Part};

    #[tokio::test]
    async fn the_version_of_a_real_broker_is_overheard() {
        let broker = tokio::task::spawn_blocking(|| (shared_url(), shared_version()));
        let (url, version) = broker.await.expect("a broker");
        let config = AmqpConfig::new(&url).expect("valid");
        let (session, _changes) = Session::open(&config, Part::publish(Lane::Event, 0))
            .await
            .expect("connected");
        let heard = session.version().expect("RabbitMQ says it").to_string();
        assert_eq!(heard, version);
    }
}
