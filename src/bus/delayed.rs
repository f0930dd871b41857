use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use algedonic_transport::Error;
use tokio::time::Instant;

use super::Receipt;
use crate::{
    delay::{Slot, Ticket},
    event::Event,
};

/// An event that is to be published later; made by [`Bus::publish_after`](crate::Bus::publish_after).
///
/// It is a future: awaited, it says what became of the event, with the [`Receipt`] that
/// [`publish`](crate::Bus::publish) would have given. Await `&mut` of it to keep it meanwhile.
///
/// Dropped before the event is published, it cancels: nobody has got the event, nor will. To replace
/// one by another is therefore to put it off. [`detach`](Self::detach) lets the event go its way.
///
/// # Errors
///
/// Of the future; the event is dropped then, and nobody has got it.
///
/// - `Closed`: the bus was shut down or dropped first, or the runtime of its timer ended.
/// - `Busy`: when it was due, a subscriber was full that chose [`Lag::Error`](crate::Lag::Error).
/// - `Unexpected`: something panicked while it was published (what the publish made room for, when it
///   was dropped, or a waker); only in this case it may have reached subscribers.
///
/// # Cancellation
///
/// Dropping the future is dropping this: see above. It needs no runtime to be polled.
///
/// # Panics
///
/// Polled after it has resolved.
#[must_use = "dropped, it cancels the event; `detach` it to have it published all the same"]
pub struct Delayed<E: Event> {
    slot: Arc<Slot<E, Receipt>>,
    ticket: Ticket,
    detached: bool,
}

impl<E: Event> Delayed<E> {
    pub(super) fn new(slot: Arc<Slot<E, Receipt>>, ticket: Ticket) -> Self {
        Self {
            slot,
            ticket,
            detached: false,
        }
    }

    /// When it is due, by tokio's clock. It is published then, or up to a few milliseconds later, or
    /// once there is room; never earlier.
    pub fn due(&self) -> Instant {
        self.ticket.due()
    }

    /// How long until it is due; zero from then on.
    pub fn remaining(&self) -> Duration {
        self.due().saturating_duration_since(Instant::now())
    }

    /// Whether it is known what became of it.
    pub fn is_settled(&self) -> bool {
        self.slot.is_settled()
    }

    /// Takes the event back, if it is not yet published; one that is due and waits for room is not yet.
    /// Then nobody has got it, nor will.
    ///
    /// # Errors
    ///
    /// It is too late: the event is published, refused or dropped, or just being published on another
    /// thread. What is given back says which, when it is awaited.
    pub fn cancel(self) -> Result<E, Self> {
        self.withdraw().ok_or(self)
    }

    /// Has it published though nobody waits for it, unless the bus ends first. If it is refused when it is
    /// due, that is logged.
    pub fn detach(mut self) {
        self.detached = true;
        self.slot.detach();
    }

    fn withdraw(&self) -> Option<E> {
        let event = self.slot.withdraw()?;
        self.ticket.leave();
        Some(event)
    }
}

impl<E: Event> Future for Delayed<E> {
    type Output = Result<Receipt, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.slot.poll_outcome(cx)
    }
}

impl<E: Event> Drop for Delayed<E> {
    fn drop(&mut self) {
        if !self.detached {
            drop(self.withdraw());
        }
    }
}

impl<E: Event> fmt::Debug for Delayed<E> {
    /// Without the event, which may hold what does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delayed")
            .field("event", &E::NAME)
            .field("remaining", &self.remaining())
            .field("settled", &self.is_settled())
            .finish_non_exhaustive()
    }
}
