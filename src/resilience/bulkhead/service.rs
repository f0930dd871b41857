use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use tower::Service;

use super::{
    BulkheadHandle, Error, ResponseFuture,
    shared::{Entry, Local, Shared},
};

/// A service behind a bulkhead; from a [`BulkheadLayer`](super::BulkheadLayer).
///
/// **Readiness.** While no slot is free it is ready at once, and does not ask the service inside; else it is ready when
/// that is. Ready once, it stays so until it is called. The slot is taken by the call, never by readiness, so that who
/// is ready and does not call keeps nobody out.
///
/// **Calls that wait** hold a clone of the service inside, which is asked for readiness when they have
/// their slot. They and rejected calls leave nothing behind in the service that was ready: it is replaced
/// by a clone of itself, and what it had reserved is free. Therefore it has to be [`Clone`].
#[derive(Debug)]
pub struct Bulkhead<S> {
    inner: S,
    local: Arc<Local>,
    readiness: Readiness,
}

/// What was asked of the service inside since its last call.
#[derive(Debug)]
enum Readiness {
    /// Nothing.
    Unasked,
    /// Whether it is ready; it may have reserved something.
    Asked,
    /// And it is.
    Ready,
    /// Nothing, and the bulkhead has said that it is ready itself.
    Passed,
}

impl<S> Bulkhead<S> {
    pub(super) fn new(inner: S, shared: &Arc<Shared>) -> Self {
        Self {
            inner,
            local: Local::new(shared),
            readiness: Readiness::Unasked,
        }
    }

    /// To see and to control it.
    pub fn handle(&self) -> BulkheadHandle {
        BulkheadHandle::new(&self.local.shared)
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, without the bulkhead.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Bulkhead<S> {
    /// Nothing is reserved in the service inside any more.
    #[cold]
    #[inline(never)]
    fn let_go(&mut self) {
        if matches!(self.readiness, Readiness::Asked | Readiness::Ready) {
            let fresh = self.inner.clone();
            self.inner = fresh;
        }
        self.readiness = Readiness::Unasked;
    }
}

impl<S, Request> Service<Request> for Bulkhead<S>
where
    S: Service<Request> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, Request>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Ready is ready, until the call.
        if matches!(self.readiness, Readiness::Passed) {
            return Poll::Ready(Ok(()));
        }
        if self.local.shared.core.is_full() {
            self.let_go();
            self.readiness = Readiness::Passed;
            return Poll::Ready(Ok(()));
        }
        self.readiness = Readiness::Asked;
        ready!(self.inner.poll_ready(cx)).map_err(Error::Inner)?;
        self.readiness = Readiness::Ready;
        Poll::Ready(Ok(()))
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if matches!(self.readiness, Readiness::Ready)
            && let Some(held) = self.local.enter_now()
        {
            self.readiness = Readiness::Unasked;
            return ResponseFuture::called(self.inner.call(request), held);
        }
        match self.local.enter() {
            Entry::Rejected(rejection) => {
                self.let_go();
                ResponseFuture::rejected(rejection)
            }
            entry => {
                self.let_go();
                ResponseFuture::entered(self.inner.clone(), request, entry)
            }
        }
    }
}

impl<S: Clone> Clone for Bulkhead<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), &self.local.shared)
    }
}
