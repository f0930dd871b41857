use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::{Service, util::Oneshot};

use super::{
    Error,
    shared::{Entry, Held},
    wait::Wait,
};
use crate::resilience::Rejection;

/// The response of a service behind a bulkhead. Dropped before it is ready, it gives its slot back, or leaves the queue.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S: Service<Request>, Request> {
    #[pin]
    state: State<S, Request>,
}

// In these the call is dropped before its slot.
#[pin_project(project = StateProjection)]
enum State<S: Service<Request>, Request> {
    Called(#[pin] S::Future, Option<Held>),
    /// Has its slot, or its place in the queue, and was not polled yet. Small: who makes a call moves no more than what
    /// its variants are made of.
    Entered(Option<((S, Request), Entry)>),
    /// Has its slot; the service is asked for readiness first.
    Late(#[pin] Oneshot<S, Request>, Option<Held>),
    Queued(#[pin] Wait, Option<(S, Request)>),
    Rejected(Rejection),
}

impl<S: Service<Request>, Request> ResponseFuture<S, Request> {
    #[inline]
    pub(super) const fn called(call: S::Future, held: Held) -> Self {
        Self {
            state: State::Called(call, Some(held)),
        }
    }

    #[inline]
    pub(super) const fn entered(service: S, request: Request, entry: Entry) -> Self {
        Self {
            state: State::Entered(Some(((service, request), entry))),
        }
    }

    #[inline]
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self {
            state: State::Rejected(rejection),
        }
    }
}

impl<S: Service<Request>, Request> Future for ResponseFuture<S, Request> {
    type Output = Result<S::Response, Error<S::Error>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let (result, held) = match state.as_mut().project() {
                StateProjection::Called(call, held) => (ready!(call.poll(cx)), held),
                StateProjection::Late(call, held) => (ready!(call.poll(cx)), held),
                StateProjection::Rejected(rejection) => {
                    return Poll::Ready(Err(Error::rejected(*rejection)));
                }
                StateProjection::Entered(_) | StateProjection::Queued(..) => {
                    ready!(state.as_mut().wait(cx));
                    continue;
                }
            };
            *held = None;
            return Poll::Ready(result.map_err(Error::Inner));
        }
    }
}

impl<S: Service<Request>, Request> State<S, Request> {
    /// Until it has a slot, or is rejected.
    #[cold]
    #[inline(never)]
    fn wait(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let StateProjection::Entered(entered) = self.as_mut().project() {
            let (call, entry) = entered.take().expect("enters once");
            self.set(Self::Queued(Wait::new(entry), Some(call)));
        }
        if let StateProjection::Queued(wait, call) = self.as_mut().project() {
            let next = match ready!(wait.poll(cx)) {
                Ok(held) => {
                    let (service, request) = call.take().expect("waits once");
                    Self::Late(Oneshot::new(service, request), Some(held))
                }
                Err(rejection) => Self::Rejected(rejection),
            };
            self.set(next);
        }
        Poll::Ready(())
    }
}

impl<S: Service<Request>, Request> fmt::Debug for ResponseFuture<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ResponseFuture");
        match &self.state {
            State::Called(..) | State::Late(..) => debug.field(&"running").finish(),
            State::Entered(_) | State::Queued(..) => debug.field(&"waiting").finish(),
            State::Rejected(rejection) => debug.field(rejection).finish(),
        }
    }
}
