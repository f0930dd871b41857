use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::Service;

use super::{Error, shared::Booking, wait::Wait};
use crate::resilience::{Rejection, timeout::Call};

/// The response of a service behind a rate limit. Dropped while it waits for its time, it gives that back if it is the
/// last that was given, else it is wasted.
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

#[pin_project(project = StateProjection)]
enum State<S: Service<Request>, Request> {
    Admitted(#[pin] Call<S, Request>),
    /// Not polled yet, and without a timer: who makes a call moves no more than what its variants are made of.
    Booked(Option<(Booking, (S, Request))>),
    Waiting(#[pin] Wait, Option<(S, Request)>),
    Rejected(Rejection),
}

impl<S: Service<Request>, Request> ResponseFuture<S, Request> {
    #[inline]
    pub(super) const fn admitted(call: Call<S, Request>) -> Self {
        Self {
            state: State::Admitted(call),
        }
    }

    #[inline]
    pub(super) const fn waiting(service: S, request: Request, booking: Booking) -> Self {
        Self {
            state: State::Booked(Some((booking, (service, request)))),
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
            match state.as_mut().project() {
                StateProjection::Admitted(call) => return call.poll(cx).map_err(Error::Inner),
                StateProjection::Rejected(rejection) => {
                    return Poll::Ready(Err(Error::Limited(*rejection)));
                }
                StateProjection::Booked(_) | StateProjection::Waiting(..) => {
                    ready!(state.as_mut().wait(cx));
                }
            }
        }
    }
}

impl<S: Service<Request>, Request> State<S, Request> {
    /// Until it is admitted.
    #[cold]
    #[inline(never)]
    fn wait(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let StateProjection::Booked(booked) = self.as_mut().project() {
            let (booking, call) = booked.take().expect("waits once");
            self.set(Self::Waiting(Wait::new(booking), Some(call)));
        }
        if let StateProjection::Waiting(wait, call) = self.as_mut().project() {
            ready!(wait.poll(cx));
            let (service, request) = call.take().expect("waits once");
            self.set(Self::Admitted(Call::waiting(service, request)));
        }
        Poll::Ready(())
    }
}

impl<S: Service<Request>, Request> fmt::Debug for ResponseFuture<S, Request> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("ResponseFuture");
        match &self.state {
            State::Admitted(call) => debug.field(call).finish(),
            State::Booked(_) | State::Waiting(..) => debug.field(&"waiting").finish(),
            State::Rejected(rejection) => debug.field(rejection).finish(),
        }
    }
}
