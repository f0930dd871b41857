use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{
    shared::{Entry, Held},
    wait::Wait,
};
use crate::resilience::Rejection;

/// A slot of a bulkhead, to hold while something runs. Dropped, it is free again.
#[derive(Debug)]
#[must_use = "a slot that is dropped is free again"]
pub struct Slot {
    _held: Held,
}

impl Slot {
    pub(super) const fn new(held: Held) -> Self {
        Self { _held: held }
    }

    /// Gives the slot back, as dropping it does.
    pub fn checkin(self) {}
}

/// Waits for a slot; from [`BulkheadHandle::checkout`](super::BulkheadHandle::checkout).
///
/// It has its place in the queue before it is polled. Dropped, it leaves the queue, and a slot that it
/// was given meanwhile goes to the next.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Checkout {
    #[pin]
    wait: Wait,
}

impl Checkout {
    pub(super) const fn new(entry: Entry) -> Self {
        Self {
            wait: Wait::new(entry),
        }
    }
}

impl Future for Checkout {
    type Output = Result<Slot, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let held = ready!(self.project().wait.poll(cx));
        Poll::Ready(held.map(Slot::new))
    }
}
