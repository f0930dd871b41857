use std::sync::atomic::{AtomicU64, Ordering};

use super::Account;

/// What became of the events of one subscription that is driven by handlers: they settle what they
/// take, some time after they took it.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    handled: AtomicU64,
    dead_lettered: AtomicU64,
    abandoned: AtomicU64,
    expired: AtomicU64,
    redriven: AtomicU64,
}

impl Settled {
    pub(crate) fn handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }

    /// A dead letter is with its handler again.
    pub(crate) fn redriven(&self) {
        self.redriven.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn abandoned(&self, events: u64) {
        self.abandoned.fetch_add(events, Ordering::Relaxed);
    }

    /// The time of one passed after it was taken.
    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    /// The account of the subscription, where what was taken is not yet settled.
    pub(crate) fn complete(&self, taken: Account) -> Account {
        let delivered = self.handled.load(Ordering::Relaxed);
        let dead_lettered = self.dead_lettered.load(Ordering::Relaxed);
        let abandoned = self.abandoned.load(Ordering::Relaxed);
        let redriven = self.redriven.load(Ordering::Relaxed);
        let expired = self.expired.load(Ordering::Relaxed);
        let had = taken.delivered + taken.in_flight + redriven;
        Account {
            delivered,
            dead_lettered,
            abandoned,
            redriven,
            expired: taken.expired + expired,
            in_flight: had.saturating_sub(delivered + dead_lettered + abandoned + expired),
            ..taken
        }
    }
}
