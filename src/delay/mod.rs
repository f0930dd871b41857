//! What is to be published later: kept in order until it is due, then published by one task for the whole bus.
//!
//! What publishing means is not known here: the bus hands in what it is to be [`Due`].

mod books;
mod drive;
mod queue;
mod slot;
#[cfg(test)]
mod tests;
mod timeline;

use std::{any::TypeId, pin::Pin, sync::Arc, time::Duration};

use algedonic_transport::Error;
use tokio::time::{Instant, timeout, timeout_at};

use self::timeline::Timeline;
pub(crate) use self::{books::Books, queue::Place, slot::Slot};
use crate::{observe::Ledger, task::LAST_TURN};

/// How many are scheduled at most, unless the builder says otherwise.
pub(crate) const DEFAULT_CAPACITY: usize = 65_536;

/// A hundred years are as good as for ever, and can be added to the clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Something that is published when its time has come. Dropped before, it settles its own account.
pub(crate) trait Due: Send {
    /// Publishes it. The future is not polled under a lock, and what panics in it stays there.
    fn publish(self: Box<Self>) -> Work;
}

/// A publish that waits for room.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All that one bus is to publish later. Dropped, it drops that, too.
pub(crate) struct Delays(Arc<Timeline>);

impl Delays {
    pub(crate) fn new(capacity: usize, ledger: &Arc<Ledger>) -> Self {
        Self(Arc::new(Timeline::new(capacity, Books::new(ledger))))
    }

    /// Takes something to be published after the delay, in the order of its line; a task that
    /// publishes is started if there is none. Nothing is made if it is not taken.
    ///
    /// # Errors
    ///
    /// `Busy` when there is as much as there may be, and `Closed` after the end.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled.
    pub(crate) fn schedule<T: Due + 'static>(
        &self,
        delay: Duration,
        line: TypeId,
        make: impl FnOnce(&Arc<Books>) -> T,
    ) -> Result<Ticket, Error> {
        let due = Instant::now() + delay.min(LONGEST);
        let make = |books: &_| Box::new(make(books)) as Box<dyn Due>;
        let place = self.0.schedule(due, line, make)?;
        Ok(Ticket {
            timeline: Arc::clone(&self.0),
            line,
            place,
        })
    }

    /// How many are not settled: not yet due, or due and not yet published.
    pub(crate) fn pending(&self) -> u64 {
        self.0.books().pending()
    }

    /// Takes nothing more. What is due is begun, what is begun goes on, and the rest is dropped.
    pub(crate) fn close(&self) {
        self.0.close();
    }

    /// Waits for what is begun, after [`close`](Self::close); at the deadline it is dropped.
    pub(crate) async fn end_by(&self, deadline: Instant) {
        if timeout_at(deadline, self.0.rest()).await.is_err() {
            self.0.end();
            // What it held answers only when it is dropped, on the task's next turn.
            let _ = timeout(LAST_TURN, self.0.rest()).await;
        }
    }
}

impl Drop for Delays {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Where something waits; for the one that may take it back.
pub(crate) struct Ticket {
    timeline: Arc<Timeline>,
    line: TypeId,
    place: Place,
}

impl Ticket {
    pub(crate) fn due(&self) -> Instant {
        self.place.due
    }

    /// Removes what waits there, after its event has been taken back.
    pub(crate) fn leave(&self) {
        self.timeline.forget(self.line, self.place);
    }
}
