use std::{
    mem,
    task::{Context, Poll, ready},
};

use tower::Service;

use super::timeout::Call;

/// The service inside of a layer that need not ask it before it says that it is ready, and what it was asked.
#[derive(Debug)]
pub(super) struct Asked<S> {
    service: S,
    readiness: Readiness,
}

/// Since its last call.
#[derive(Debug)]
enum Readiness {
    /// Nothing was asked.
    Unasked,
    /// Whether it is ready: somebody may wait in it, or have reserved something.
    Asked,
    /// And it is.
    Ready,
}

impl<S> Asked<S> {
    pub(super) const fn new(service: S) -> Self {
        Self {
            service,
            readiness: Readiness::Unasked,
        }
    }

    pub(super) const fn get_ref(&self) -> &S {
        &self.service
    }

    pub(super) fn into_inner(self) -> S {
        self.service
    }

    #[inline]
    pub(super) fn poll_ready<Request>(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>>
    where
        S: Service<Request>,
    {
        self.readiness = Readiness::Asked;
        ready!(self.service.poll_ready(cx))?;
        self.readiness = Readiness::Ready;
        Poll::Ready(Ok(()))
    }

    /// Calls it, if it [is ready](Self::is_ready).
    #[inline]
    pub(super) fn call_ready<Request>(&mut self, request: Request) -> Call<S, Request>
    where
        S: Service<Request>,
    {
        self.readiness = Readiness::Unasked;
        Call::called(self.service.call(request))
    }

    #[inline]
    pub(super) const fn is_ready(&self) -> bool {
        matches!(self.readiness, Readiness::Ready)
    }
}

impl<S: Clone> Asked<S> {
    /// Leaves nothing behind in it: nobody waits, and what was reserved is free.
    #[cold]
    #[inline(never)]
    pub(super) fn let_go(&mut self) {
        if !matches!(self.readiness, Readiness::Unasked) {
            drop(self.take());
        }
    }

    /// The service that was asked, with its place where it waits; another takes its part.
    fn take(&mut self) -> S {
        let fresh = self.service.clone();
        self.readiness = Readiness::Unasked;
        mem::replace(&mut self.service, fresh)
    }

    /// One that nobody has asked.
    #[cold]
    #[inline(never)]
    pub(super) fn unasked(&mut self) -> S {
        self.let_go();
        self.take()
    }

    /// Calls it if it is ready; else the call waits until it is, in the place that it has.
    #[inline]
    pub(super) fn call<Request>(&mut self, request: Request) -> Call<S, Request>
    where
        S: Service<Request>,
    {
        if self.is_ready() {
            return self.call_ready(request);
        }
        Call::waiting(self.take(), request)
    }
}

impl<S: Clone> Clone for Asked<S> {
    fn clone(&self) -> Self {
        Self::new(self.service.clone())
    }
}
