use std::sync::Arc;

use super::{Elapsed, TimeoutConfig};
use crate::resilience::{
    What,
    clock::{Clock, nanos},
    observer::Reporter,
    storm::Storm,
};

/// One timeout: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: TimeoutConfig,
    pub(super) reporter: Reporter,
    pub(super) elapsed: Storm,
    /// The limit, in nanoseconds.
    pub(super) limit: u64,
}

/// What a service and its calls hold. Each clone of a service has one of its own: a call counts the references to this
/// one, and so touches no memory that other clones touch.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: TimeoutConfig, reporter: Reporter) -> Self {
        Self {
            limit: nanos(config.limit),
            config,
            elapsed: Storm::new(What::TimedOut, &reporter, Clock::new()),
            reporter,
        }
    }

    /// A call was dropped that might take so many nanoseconds.
    #[cold]
    pub(super) fn elapse(&self, limit: u64) -> Elapsed {
        self.elapsed.count(0);
        Elapsed::new(self.reporter.name, self.config.covers, limit)
    }
}

impl Local {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let shared = Arc::clone(shared);
        Arc::new(Self { shared })
    }
}
