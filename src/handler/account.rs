use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::observe::{Ledger, Settled};

/// What one handler has done with its events; the only place that counts it.
#[derive(Debug)]
pub(super) struct Account {
    ledger: Arc<Ledger>,
    /// The books of its subscription; a group has one for all.
    settled: Arc<Settled>,
    finished: AtomicU64,
    abandoned: AtomicU64,
}

impl Account {
    pub(super) fn new(ledger: Arc<Ledger>, settled: Arc<Settled>) -> Self {
        Self {
            ledger,
            settled,
            finished: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
        }
    }

    /// An event was handled; it is settled.
    pub(super) fn handled(&self) {
        self.ledger.handled.add(1);
        self.settled.handled();
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// An event became a dead letter; it is settled.
    pub(super) fn dead_lettered(&self) {
        self.ledger.dead_lettered.add(1);
        self.settled.dead_lettered();
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// The time of an event passed before it was attempted, or tried again; it is settled.
    pub(super) fn expired(&self) {
        self.settled.expired();
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Events were given up; they are settled.
    pub(super) fn abandoned(&self, events: u64) {
        self.ledger.abandoned.add(events);
        self.settled.abandoned(events);
        self.abandoned.fetch_add(events, Ordering::Relaxed);
    }

    /// An attempt ended in an error.
    pub(super) fn failed(&self) {
        self.ledger.failed.add(1);
    }

    /// An attempt ended in a panic.
    pub(super) fn panicked(&self) {
        self.ledger.panicked.add(1);
    }

    /// A failed event waits for its next attempt.
    pub(super) fn retried(&self) {
        self.ledger.retried.add(1);
    }

    /// How many events it has handled, dead-lettered, or found too late.
    pub(super) fn total_finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    pub(super) fn total_abandoned(&self) -> u64 {
        self.abandoned.load(Ordering::Relaxed)
    }
}
