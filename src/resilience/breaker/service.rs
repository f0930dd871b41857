use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower::Service;

use super::{
    BreakerHandle, ByKind, Classifier, Error, ResponseFuture,
    core::Seen,
    future::Guard,
    shared::{Local, Shared},
};
use crate::resilience::Rejection;

/// A service behind a breaker; from a [`BreakerLayer`](super::BreakerLayer).
///
/// **Readiness.** While calls are rejected it is ready at once, and does not ask the service inside; else it is
/// ready when that is. The place of a probe is taken by the call, never by readiness, so that who is
/// ready and does not call keeps nobody out.
///
/// **Rejected calls** leave nothing behind in the service inside: it is replaced by a clone of itself, and
/// what it had reserved is free. Therefore it has to be [`Clone`].
///
/// A call is rejected when the service was ready because it would be, even if the open period has ended
/// meanwhile: the service inside was not asked whether it is ready. If something has happened to the breaker since, the
/// rejection says how it is now; one that lets calls through again says to try again at once, and does not count it.
#[derive(Debug)]
pub struct Breaker<S, C = ByKind> {
    inner: S,
    local: Arc<Local<C>>,
    readiness: Readiness,
}

#[derive(Debug)]
enum Readiness {
    /// Nothing was asked.
    Unknown,
    /// The service inside was asked, and may have reserved something.
    Asked,
    /// It was not asked: the call is going to be rejected.
    Rejecting(Rejection, Seen),
}

impl<S, C> Breaker<S, C> {
    pub(super) fn new(inner: S, shared: Arc<Shared>, classifier: C) -> Self {
        Self {
            inner,
            local: Arc::new(Local { shared, classifier }),
            readiness: Readiness::Unknown,
        }
    }

    /// To see and to control it.
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(&self.local.shared))
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, without the breaker.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Breaker<S, C> {
    #[cold]
    #[inline(never)]
    fn free_reservation(&mut self) {
        let fresh = self.inner.clone();
        self.inner = fresh;
    }
}

impl<S, C, Request> Service<Request> for Breaker<S, C>
where
    S: Service<Request> + Clone,
    C: Classifier<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S::Future, C>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Ready is ready, until the call.
        if matches!(self.readiness, Readiness::Rejecting(..)) {
            return Poll::Ready(Ok(()));
        }
        if let Some((rejection, seen)) = self.local.shared.refuses() {
            if matches!(self.readiness, Readiness::Asked) {
                self.free_reservation();
            }
            self.readiness = Readiness::Rejecting(rejection, seen);
            return Poll::Ready(Ok(()));
        }
        self.readiness = Readiness::Asked;
        let ready = ready!(self.inner.poll_ready(cx));
        Poll::Ready(ready.map_err(Error::Inner))
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if let Readiness::Rejecting(rejection, seen) = self.readiness {
            self.readiness = Readiness::Unknown;
            let rejection = self.local.shared.reject_as_seen(rejection, seen);
            return ResponseFuture::rejected(rejection);
        }
        self.readiness = Readiness::Unknown;
        let ticket = match self.local.shared.admit_at_once() {
            Some(ticket) => ticket,
            None => match self.local.shared.admit() {
                Ok(ticket) => ticket,
                Err(rejection) => {
                    self.free_reservation();
                    return ResponseFuture::rejected(rejection);
                }
            },
        };
        let guard = Guard::new(Arc::clone(&self.local), ticket);
        ResponseFuture::admitted(self.inner.call(request), guard)
    }
}

impl<S: Clone, C: Clone> Clone for Breaker<S, C> {
    fn clone(&self) -> Self {
        Self::new(
            self.inner.clone(),
            Arc::clone(&self.local.shared),
            self.local.classifier.clone(),
        )
    }
}
