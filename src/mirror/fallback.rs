use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use algedonic_transport::{Error, ErrorKind, Message, Outcome};
use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use crate::observe::{LocalOnly, Remote};

/// The outermost layer of the way to the transport: whatever happens there becomes a [`Remote`],
/// so that a publisher is always told, and never fails for want of a broker.
#[derive(Clone, Copy, Debug)]
pub(super) struct FallbackLayer;

impl<S> Layer<S> for FallbackLayer {
    type Service = Fallback<S>;

    fn layer(&self, inner: S) -> Fallback<S> {
        Fallback {
            inner,
            unready: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Fallback<S> {
    inner: S,
    /// Why the stack was not ready; fails the next call, which must not reach the stack.
    unready: Option<BoxError>,
}

impl<S: Clone> Clone for Fallback<S> {
    fn clone(&self) -> Self {
        FallbackLayer.layer(self.inner.clone())
    }
}

impl<S> Service<Message> for Fallback<S>
where
    S: Service<Message, Response = Outcome, Error = BoxError>,
{
    type Response = Remote;
    type Error = Infallible;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.unready = ready!(self.inner.poll_ready(cx)).err();
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Self::Future {
        match self.unready.take() {
            None => ResponseFuture::Called(self.inner.call(message)),
            Some(error) => ResponseFuture::Unready(Some(error)),
        }
    }
}

#[pin_project(project = Stage)]
pub(super) enum ResponseFuture<F> {
    Called(#[pin] F),
    Unready(Option<BoxError>),
}

impl<F: Future<Output = Result<Outcome, BoxError>>> Future for ResponseFuture<F> {
    type Output = Result<Remote, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.project() {
            Stage::Called(future) => ready!(future.poll(cx)),
            Stage::Unready(error) => Err(error.take().expect("polled after it has resolved")),
        };
        Poll::Ready(Ok(result.map_or_else(judge, Remote::from)))
    }
}

/// What an error says about the whereabouts of the message. Only a transport can know that it
/// stayed; whatever a layer says leaves that open.
fn judge(error: BoxError) -> Remote {
    match error.downcast::<Error>() {
        Ok(error) => Remote::LocalOnly(match error.kind() {
            ErrorKind::Malformed | ErrorKind::TooLarge | ErrorKind::Unsupported => {
                LocalOnly::Refused(*error)
            }
            ErrorKind::Closed => LocalOnly::ShutDown,
            _ => LocalOnly::Away(*error),
        }),
        Err(error) => Remote::unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_transport_s_own_error_says_that_the_event_stayed() {
        let away = Error::transient(ErrorKind::Unavailable, "send");
        assert!(judge(away.into()).is_local_only());
        let large = Error::permanent(ErrorKind::TooLarge, "send");
        assert!(matches!(
            judge(large.into()),
            Remote::LocalOnly(LocalOnly::Refused(_))
        ));
        assert!(matches!(
            judge("a layer's error".into()),
            Remote::Unknown { .. }
        ));
    }
}
