use std::{fmt, sync::Arc};

use super::{GaveUp, RetryConfig, shared::Shared};
use crate::resilience::Name;

/// Sees a retry from outside; outlives its services. Cheap to clone.
#[derive(Clone)]
pub struct RetryHandle {
    shared: Arc<Shared>,
}

/// How a retry is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryStatus {
    /// Attempts after the first of a call that it decided on since it was made.
    pub retries: u64,
    /// Calls since it was made that failed in all of their [attempts](GaveUp::Attempts).
    pub out_of_attempts: u64,
    /// Calls since it was made for which there was no retry left in the [budget](GaveUp::Budget).
    pub out_of_budget: u64,
    /// Calls since it was made for which there was no [time](GaveUp::Time) left.
    pub out_of_time: u64,
    /// Calls since it was made after which the dependency asked for [too long a pause](GaveUp::RetryAfter).
    pub asked_to_wait: u64,
    /// Retries that requests have saved and nobody has used; none if the budget is unlimited.
    pub saved: Option<u64>,
}

impl RetryHandle {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared.reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &RetryConfig {
        &self.shared.config
    }

    /// Its counts.
    pub fn status(&self) -> RetryStatus {
        let shared = &self.shared;
        RetryStatus {
            retries: shared.retries.sum(),
            out_of_attempts: shared.gave_up(GaveUp::Attempts),
            out_of_budget: shared.gave_up(GaveUp::Budget),
            out_of_time: shared.gave_up(GaveUp::Time),
            asked_to_wait: shared.gave_up(GaveUp::RetryAfter),
            saved: shared
                .budget
                .as_ref()
                .map(super::core::budget::Budget::saved),
        }
    }
}

impl fmt::Debug for RetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
