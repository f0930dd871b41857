use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tower::Service;

use super::Error;
use crate::resilience::{Rejection, timeout::Call};

/// The response of a service behind a load shed. Dropped before it is ready, it drops the call, or leaves the
/// place where that waits.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S: Service<Request>, Request> {
    #[pin]
    state: State<S, Request>,
}

#[pin_project(project = StateProjection)]
enum State<S: Service<Request>, Request> {
    Admitted(#[pin] Call<S, Request>),
    Shed(Rejection),
}

impl<S: Service<Request>, Request> ResponseFuture<S, Request> {
    #[inline]
    pub(super) const fn admitted(call: Call<S, Request>) -> Self {
        Self {
            state: State::Admitted(call),
        }
    }

    pub(super) const fn shed(rejection: Rejection) -> Self {
        Self {
            state: State::Shed(rejection),
        }
    }
}

impl<S: Service<Request>, Request> Future for ResponseFuture<S, Request> {
    type Output = Result<S::Response, Error<S::Error>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Admitted(call) => call.poll(cx).map_err(Error::Inner),
            StateProjection::Shed(rejection) => Poll::Ready(Err(Error::Shed(*rejection))),
        }
    }
}

impl<S: Service<Request>, Request> fmt::Debug for ResponseFuture<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ResponseFuture");
        match &self.state {
            State::Admitted(call) => debug.field(call).finish(),
            State::Shed(rejection) => debug.field(rejection).finish(),
        }
    }
}
