use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    AsConfigured, Call, Covers, Error, Limit, ResponseFuture, TimeoutHandle,
    shared::{Local, Shared},
};
use crate::resilience::clock::nanos;

/// A service behind a timeout; from a [`TimeoutLayer`](super::TimeoutLayer).
///
/// **Readiness** of one that covers an attempt is that of the service inside. One that covers the total is ready at
/// once, unless readiness fails: a call waits until the service inside is ready, and its time runs.
/// What waits is the service that was asked; it is replaced by a clone of itself. Therefore it has to be [`Clone`].
#[derive(Debug)]
pub struct Timeout<S, L = AsConfigured> {
    inner: S,
    limit: L,
    local: Arc<Local>,
    /// The service inside said so, and was not called since.
    ready: bool,
}

impl<S, L> Timeout<S, L> {
    pub(super) fn new(inner: S, limit: L, shared: &Arc<Shared>) -> Self {
        Self {
            inner,
            limit,
            local: Local::new(shared),
            ready: false,
        }
    }

    /// To see it, and for what is no service.
    pub fn handle(&self) -> TimeoutHandle {
        TimeoutHandle::new(&self.local.shared)
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, without the timeout.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn is_total(&self) -> bool {
        self.local.shared.config.covers == Covers::Total
    }

    #[inline]
    fn limit<Request>(&self, request: &Request) -> u64
    where
        L: Limit<Request>,
    {
        let most = self.local.shared.limit;
        self.limit
            .limit(request)
            .map_or(most, |limit| nanos(limit).min(most))
    }
}

impl<S: Clone, L> Timeout<S, L> {
    /// The service that was asked whether it is ready; it keeps its place wherever it waits.
    fn take(&mut self) -> S {
        let fresh = self.inner.clone();
        std::mem::replace(&mut self.inner, fresh)
    }
}

impl<S, L, Request> Service<Request> for Timeout<S, L>
where
    S: Service<Request> + Clone,
    L: Limit<Request>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<Call<S, Request>>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = self.inner.poll_ready(cx);
        self.ready = matches!(ready, Poll::Ready(Ok(())));
        if ready.is_pending() && self.is_total() {
            return Poll::Ready(Ok(()));
        }
        ready.map_err(Error::Inner)
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        let limit = self.limit(&request);
        let call = if std::mem::take(&mut self.ready) || !self.is_total() {
            Call::called(self.inner.call(request))
        } else {
            Call::waiting(self.take(), request)
        };
        ResponseFuture::new(call, limit, Arc::clone(&self.local))
    }
}

impl<S: Clone, L: Clone> Clone for Timeout<S, L> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.limit.clone(), &self.local.shared)
    }
}
