use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower::{Service, util::Oneshot};

use super::{
    BreakerHandle, ByKind, Classifier, Error, ResponseFuture,
    core::{Seen, Ticket},
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
/// A call of one that was ready because it would be rejected is rejected, with the time that was to wait then, if nothing
/// has happened to the breaker since. If something has, and the call is let through, it is a clone of the service
/// inside that is called, once it has become ready: nobody has asked the service itself. Such a call allocates.
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
    /// It was not asked: the call is going to be rejected, while the breaker is as it was seen.
    Rejecting(Rejection, Seen),
}

impl<S, C> Breaker<S, C> {
    #[inline]
    fn admit(&self) -> Result<Ticket, Rejection> {
        match self.local.shared.admit_at_once() {
            Some(ticket) => Ok(ticket),
            None => self.local.shared.admit(),
        }
    }

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
    /// The call of a service that would have rejected it, and has not asked the one inside.
    #[cold]
    #[inline(never)]
    fn call_unasked<Request>(
        &mut self,
        rejection: Rejection,
        seen: Seen,
        request: Request,
    ) -> ResponseFuture<S::Future, C, Oneshot<S, Request>>
    where
        S: Service<Request>,
    {
        let shared = &self.local.shared;
        // As long as nothing has changed the clock is not read a second time: it is most of what a rejection costs.
        if shared.core.is_still(seen) {
            shared.reject();
            return ResponseFuture::rejected(rejection);
        }
        match self.admit() {
            Ok(ticket) => {
                let guard = Guard::new(Arc::clone(&self.local), ticket);
                ResponseFuture::late(Oneshot::new(self.inner.clone(), request), guard)
            }
            Err(rejection) => ResponseFuture::rejected(rejection),
        }
    }

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
    type Future = ResponseFuture<S::Future, C, Oneshot<S, Request>>;

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
            return self.call_unasked(rejection, seen, request);
        }
        self.readiness = Readiness::Unknown;
        let ticket = match self.admit() {
            Ok(ticket) => ticket,
            Err(rejection) => {
                self.free_reservation();
                return ResponseFuture::rejected(rejection);
            }
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
