use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{shared::Entry, wait::Wait};
use crate::resilience::Rejection;

/// Waits until a call is allowed; from [`RateLimitHandle::acquire`](super::RateLimitHandle::acquire).
///
/// It has its time before it is polled. Dropped before that, it gives it back if it is the last that was given.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    #[pin]
    state: State,
}

#[pin_project(project = StateProjection)]
#[derive(Debug)]
enum State {
    Decided(Result<(), Rejection>),
    Waiting(#[pin] Wait),
}

impl Acquire {
    pub(super) fn new(entry: Entry) -> Self {
        let state = match entry {
            Entry::Now => State::Decided(Ok(())),
            Entry::Later(booking) => State::Waiting(Wait::new(booking)),
            Entry::Rejected(rejection) => State::Decided(Err(rejection)),
        };
        Self { state }
    }
}

impl Future for Acquire {
    type Output = Result<(), Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Decided(decided) => Poll::Ready(*decided),
            StateProjection::Waiting(wait) => {
                ready!(wait.poll(cx));
                Poll::Ready(Ok(()))
            }
        }
    }
}
