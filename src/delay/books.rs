use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::observe::Ledger;

/// The account of the delayed events of one bus: each is opened once, and settled once.
#[derive(Debug)]
pub(crate) struct Books {
    ledger: Arc<Ledger>,
    pending: AtomicU64,
}

/// What became of a delayed event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Published,
    Refused,
    Cancelled,
    Abandoned,
}

impl Books {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            ledger: Arc::clone(ledger),
            pending: AtomicU64::new(0),
        })
    }

    /// One more is scheduled.
    pub(super) fn open(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
        self.ledger.delayed.add(1);
    }

    /// One is settled.
    pub(super) fn close(&self, end: End) {
        let counter = match end {
            End::Published => &self.ledger.delayed_published,
            End::Refused => {
                self.ledger.refused.add(1);
                &self.ledger.delayed_refused
            }
            End::Cancelled => &self.ledger.delayed_cancelled,
            End::Abandoned => &self.ledger.delayed_abandoned,
        };
        counter.add(1);
        self.pending.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn pending(&self) -> u64 {
        self.pending.load(Ordering::Acquire)
    }
}
