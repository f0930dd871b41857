use std::{fmt, sync::Arc};

use super::{FallbackConfig, shared::Shared};
use crate::resilience::Name;

/// Sees a fallback from outside; outlives the services. Cheap to clone.
#[derive(Clone)]
pub struct FallbackHandle {
    shared: Arc<Shared>,
}

/// How a fallback is, at one moment.
///
/// What was taken, and neither answered nor failed, is under way, or was dropped or panicked in the fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackStatus {
    /// Errors that it took since it was made.
    pub taken: u64,
    /// How often it answered since then.
    pub answered: u64,
    /// How often it failed itself since then.
    pub failed: u64,
}

impl FallbackHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared.reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &FallbackConfig {
        &self.shared.config
    }

    /// Its counts.
    pub fn status(&self) -> FallbackStatus {
        // In this order: what has ended was taken before.
        let answered = self.shared.answered.sum();
        let failed = self.shared.failed.sum();
        FallbackStatus {
            taken: self.shared.taken.sum(),
            answered,
            failed,
        }
    }
}

impl fmt::Debug for FallbackHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
