use std::{
    convert::Infallible,
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll, ready},
};

use algedonic_transport::{Error, ErrorKind, Message, Outcome};
use pin_project::pin_project;
use tower::{BoxError, Layer, Service};

use crate::{
    observe::{LocalOnly, Remote},
    resilience::{Reason, Rejection},
};

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
        Poll::Ready(Ok(result.map_or_else(|error| judge(&*error), Remote::from)))
    }
}

/// What an error says about the whereabouts of the message. It stayed where the transport says so, or a layer that did not
/// let it through; whatever else a layer says leaves that open.
fn judge(error: &(dyn StdError + 'static)) -> Remote {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Remote::LocalOnly(stayed(error.clone()));
        }
        if let Some(rejection) = error.downcast_ref::<Rejection>() {
            return Remote::LocalOnly(LocalOnly::Away(refused(*rejection)));
        }
        next = error.source();
    }
    Remote::unknown(error.to_string())
}

fn stayed(error: Error) -> LocalOnly {
    match error.kind() {
        ErrorKind::Malformed | ErrorKind::TooLarge | ErrorKind::Unsupported => {
            LocalOnly::Refused(error)
        }
        ErrorKind::Closed => LocalOnly::ShutDown,
        _ => LocalOnly::Away(error),
    }
}

/// A rejection as an error that names the layer; it is the source, too.
fn refused(rejection: Rejection) -> Error {
    let kind = match rejection.reason() {
        Reason::BreakerOpen => ErrorKind::Unavailable,
        _ => ErrorKind::Busy,
    };
    Error::transient(kind, "send")
        .with_detail(rejection.to_string())
        .with_source(rejection)
}

#[cfg(test)]
mod tests {
    use tower::{Layer, Service, ServiceExt};

    use super::*;
    use crate::resilience::{
        breaker::{BreakerConfig, BreakerLayer},
        bulkhead::{BulkheadConfig, BulkheadLayer},
        timeout::{TimeoutConfig, TimeoutLayer},
    };

    fn judged(error: impl Into<BoxError>) -> Remote {
        judge(&*error.into())
    }

    #[test]
    fn a_transport_s_own_error_says_that_the_event_stayed_and_an_unknown_one_does_not() {
        let away = Error::transient(ErrorKind::Unavailable, "send");
        assert!(judged(away).is_local_only());
        let large = Error::permanent(ErrorKind::TooLarge, "send");
        assert!(matches!(
            judged(large),
            Remote::LocalOnly(LocalOnly::Refused(_))
        ));
        assert!(matches!(judged("a layer's error"), Remote::Unknown { .. }));
    }

    /// Requirement 1.14: a full pool is told as such, and so is an open breaker; what took too long may have left.
    #[tokio::test(start_paused = true)]
    async fn the_words_of_layers_are_understood_however_deep() {
        type Call = Result<Outcome, Error>;
        let breaker = BreakerLayer::named("amqp", BreakerConfig::amqp()).expect("good");
        let config = BulkheadConfig::default().size(1).overflow(0).queue(0);
        let bulkhead = BulkheadLayer::named("pool", config).expect("good");
        let second = std::time::Duration::from_secs(1);
        let timeout = TimeoutLayer::new(TimeoutConfig::attempt(second)).expect("good");
        let pending = tower::service_fn(|(): ()| std::future::pending::<Call>());
        let mut stack = breaker.layer(bulkhead.layer(timeout.layer(pending)));
        let first = stack.ready().await.expect("ready").call(());
        let full = stack.ready().await.expect("ready").call(()).await;
        match judged(full.expect_err("full")) {
            Remote::LocalOnly(LocalOnly::Away(error)) => {
                assert_eq!(error.kind(), ErrorKind::Busy);
                assert!(error.to_string().contains("pool"), "{error}");
            }
            other => panic!("{other}"),
        }
        let late = judged(first.await.expect_err("late"));
        assert!(matches!(late, Remote::Unknown { .. }), "{late}");
        breaker.handle().force_open();
        let open = stack.ready().await.expect("ready").call(()).await;
        match judged(open.expect_err("open")) {
            Remote::LocalOnly(LocalOnly::Away(error)) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                let source = error.source().expect("the rejection");
                let rejection = source.downcast_ref::<Rejection>().expect("typed");
                assert_eq!(rejection.name().as_str(), "amqp");
            }
            other => panic!("{other}"),
        }
        let inner = Error::transient(ErrorKind::Unavailable, "send");
        let nested: crate::resilience::breaker::Error<_> =
            crate::resilience::breaker::Error::Inner(inner);
        assert!(judged(nested).is_local_only());
    }
}
