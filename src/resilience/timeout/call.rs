use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tower::{Service, util::Oneshot};

/// A call of the service inside of a layer, which may have to become ready first.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct Call<S: Service<Request>, Request> {
    #[pin]
    state: State<S, Request>,
}

#[pin_project(project = StateProjection)]
enum State<S: Service<Request>, Request> {
    Called(#[pin] S::Future),
    Waiting(#[pin] Oneshot<S, Request>),
}

impl<S: Service<Request>, Request> Call<S, Request> {
    #[inline]
    pub(in crate::resilience) const fn called(call: S::Future) -> Self {
        Self {
            state: State::Called(call),
        }
    }

    #[inline]
    pub(in crate::resilience) fn waiting(service: S, request: Request) -> Self {
        Self {
            state: State::Waiting(Oneshot::new(service, request)),
        }
    }
}

impl<S: Service<Request>, Request> Future for Call<S, Request> {
    type Output = Result<S::Response, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Called(call) => call.poll(cx),
            StateProjection::Waiting(call) => call.poll(cx),
        }
    }
}

impl<S: Service<Request>, Request> fmt::Debug for Call<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Called(_) => "called",
            State::Waiting(_) => "waiting",
        };
        f.debug_tuple("Call").field(&state).finish()
    }
}
