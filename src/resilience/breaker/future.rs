use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;

use super::{ByKind, Classifier, Error, Outcome, core::Ticket, shared::Local};
use crate::resilience::Rejection;

/// The response of a service behind a breaker. Dropped before it is ready, it is
/// [cancelled](super::OnCancel).
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F, C = ByKind> {
    #[pin]
    call: Call<F, C>,
}

#[pin_project(project = CallProjection)]
enum Call<F, C> {
    Admitted(#[pin] F, Guard<C>),
    Rejected(Rejection),
}

/// Records an admitted call, whatever becomes of it, once.
pub(super) struct Guard<C> {
    local: Arc<Local<C>>,
    ticket: Ticket,
    started: Option<u64>,
    recorded: bool,
    /// While the service's own code runs. Whoever finds it so afterwards knows that it panicked.
    running: bool,
}

impl<C> Guard<C> {
    #[inline]
    pub(super) fn new(local: Arc<Local<C>>, ticket: Ticket) -> Self {
        let started = local.shared.start();
        Self {
            local,
            ticket,
            started,
            recorded: false,
            running: true,
        }
    }

    #[cold]
    fn waits(&mut self) {
        if self.started.is_none() {
            self.started = self.local.shared.wait();
        }
        self.running = false;
    }

    #[inline]
    pub(super) fn finish<T, E>(&mut self, result: Result<&T, &E>)
    where
        C: Classifier<T, E>,
    {
        let outcome = self.local.classifier.outcome(result);
        if !self.recorded {
            self.recorded = true;
            self.local.shared.record(self.ticket, outcome, self.started);
        }
    }

    #[cold]
    #[inline(never)]
    fn abandon(&mut self) {
        let shared = &self.local.shared;
        if self.running {
            shared.record(self.ticket, Outcome::Failure, self.started);
        } else {
            shared.cancelled(self.ticket, self.started);
        }
    }
}

impl<C> Drop for Guard<C> {
    #[inline]
    fn drop(&mut self) {
        if !self.recorded {
            self.abandon();
        }
    }
}

impl<F, C> ResponseFuture<F, C> {
    #[inline]
    pub(super) fn admitted(future: F, mut guard: Guard<C>) -> Self {
        guard.running = false;
        Self {
            call: Call::Admitted(future, guard),
        }
    }

    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self {
            call: Call::Rejected(rejection),
        }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classifier<T, E>,
{
    type Output = Result<T, Error<E>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().call.project() {
            CallProjection::Admitted(future, guard) => {
                guard.running = true;
                if let Poll::Ready(result) = future.poll(cx) {
                    guard.finish(result.as_ref());
                    Poll::Ready(result.map_err(Error::Inner))
                } else {
                    guard.waits();
                    Poll::Pending
                }
            }
            CallProjection::Rejected(rejection) => Poll::Ready(Err(Error::Open(*rejection))),
        }
    }
}

impl<F, C> fmt::Debug for ResponseFuture<F, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ResponseFuture");
        match &self.call {
            Call::Admitted(..) => debug.field(&"admitted").finish(),
            Call::Rejected(rejection) => debug.field(rejection).finish(),
        }
    }
}
