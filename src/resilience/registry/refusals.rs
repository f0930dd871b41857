//! When did a bulkhead last refuse a call?

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::resilience::{Notice, Reason, What};

/// The last refusal of a bulkhead, of those that were told: the first, and then one in a second.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Option<Instant>>);

impl Refusals {
    pub(super) fn note(&self, notice: Notice) {
        if let What::Rejected(Reason::BulkheadFull | Reason::BulkheadTimeout) = notice.what {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            *last = (*last).max(Some(notice.at));
        }
    }

    /// Whether there was one less than this long ago.
    pub(super) fn is_recent(&self, hold: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < hold)
    }
}
