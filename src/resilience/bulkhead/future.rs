use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::{Service, util::Oneshot};

use super::{
    Error,
    shared::{Held, Queued},
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

    pub(super) fn late(service: S, request: Request, held: Held) -> Self {
        Self {
            state: State::Late(Oneshot::new(service, request), Some(held)),
        }
    }

    pub(super) const fn queued(service: S, request: Request, queued: Queued) -> Self {
        Self {
            state: State::Queued(Wait::queued(queued), Some((service, request))),
        }
    }

    pub(super) const fn rejected(rejection: Rejection) -> Self {
        Self {
            state: State::Rejected(rejection),
        }
    }
}

impl<S: Service<Request>, Request> Future for ResponseFuture<S, Request> {
    type Output = Result<S::Response, Error<S::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::Called(call, held) = state.as_mut().project() {
            let result = ready!(call.poll(cx));
            *held = None;
            return Poll::Ready(result.map_err(Error::Inner));
        }
        state.late(cx)
    }
}

impl<S: Service<Request>, Request> State<S, Request> {
    /// Not in line: so small is what a call takes that had its slot, and the service ready, at once.
    #[cold]
    fn late(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Response, Error<S::Error>>> {
        loop {
            match self.as_mut().project() {
                StateProjection::Called(..) => unreachable!("polled in line"),
                StateProjection::Late(call, held) => {
                    let result = ready!(call.poll(cx));
                    *held = None;
                    return Poll::Ready(result.map_err(Error::Inner));
                }
                StateProjection::Queued(wait, call) => {
                    let held = ready!(wait.poll(cx)).map_err(Error::rejected)?;
                    let (service, request) = call.take().expect("waits once");
                    self.set(Self::Late(Oneshot::new(service, request), Some(held)));
                }
                StateProjection::Rejected(rejection) => {
                    return Poll::Ready(Err(Error::rejected(*rejection)));
                }
            }
        }
    }
}

impl<S: Service<Request>, Request> fmt::Debug for ResponseFuture<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ResponseFuture");
        match &self.state {
            State::Called(..) | State::Late(..) => debug.field(&"running").finish(),
            State::Queued(..) => debug.field(&"waiting").finish(),
            State::Rejected(rejection) => debug.field(rejection).finish(),
        }
    }
}
