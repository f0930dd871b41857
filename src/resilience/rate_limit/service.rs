use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    Error, RateLimitHandle, ResponseFuture,
    shared::{Entry, Shared},
};
use crate::resilience::asked::Asked;

/// A service behind a rate limit; from a [`RateLimitLayer`](super::RateLimitLayer).
///
/// **Readiness.** While calls would wait or be refused it is ready at once, and does not ask the service inside; else
/// it is ready when that is. A call counts when it is made, never when readiness is asked for, so that who is ready and
/// does not call takes nothing.
///
/// **Calls that wait** hold a clone of the service inside, which is asked for readiness when their time has come. They
/// and refused calls leave nothing behind in the service that was ready: it is replaced by a clone of itself, and
/// what it had reserved is free. Therefore it has to be [`Clone`].
#[derive(Debug)]
pub struct RateLimit<S> {
    inner: Asked<S>,
    shared: Arc<Shared>,
    /// When the clock was last read here.
    seen: u64,
    /// It has said that it is ready, without asking the service inside.
    passed: bool,
}

impl<S> RateLimit<S> {
    pub(super) const fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self {
            inner: Asked::new(inner),
            shared,
            seen: 0,
            passed: false,
        }
    }

    /// To see it, and for what is no service.
    pub fn handle(&self) -> RateLimitHandle {
        RateLimitHandle::new(Arc::clone(&self.shared))
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        self.inner.get_ref()
    }

    /// The service inside, without the rate limit.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }
}

impl<S, Request> Service<Request> for RateLimit<S>
where
    S: Service<Request> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, Request>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Ready is ready, until the call.
        if self.passed {
            return Poll::Ready(Ok(()));
        }
        if self.shared.is_exhausted(&mut self.seen) {
            self.inner.let_go();
            self.passed = true;
            return Poll::Ready(Ok(()));
        }
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        self.passed = false;
        self.seen = self.shared.now();
        if self.inner.is_ready() && self.shared.enter_now(self.seen) {
            return ResponseFuture::admitted(self.inner.call_ready(request));
        }
        match self.shared.enter(self.seen) {
            Entry::Now => ResponseFuture::admitted(self.inner.call(request)),
            Entry::Later(booking) => {
                ResponseFuture::waiting(self.inner.unasked(), request, booking)
            }
            Entry::Rejected(rejection) => {
                self.inner.let_go();
                ResponseFuture::rejected(rejection)
            }
        }
    }
}

impl<S: Clone> Clone for RateLimit<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.get_ref().clone(), Arc::clone(&self.shared))
    }
}
