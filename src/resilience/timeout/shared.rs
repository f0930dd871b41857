use std::sync::Arc;

use super::{Elapsed, TimeoutConfig};
use crate::resilience::{
    What,
    clock::{Clock, nanos},
    counter::Coalesced,
    observer::Reporter,
};

/// One timeout: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: TimeoutConfig,
    pub(super) reporter: Reporter,
    clock: Clock,
    pub(super) elapsed: Coalesced,
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
            reporter,
            clock: Clock::new(),
            elapsed: Coalesced::default(),
        }
    }

    /// A call was dropped that might take so many nanoseconds.
    #[cold]
    pub(super) fn elapse(&self, limit: u64) -> Elapsed {
        self.reporter
            .count(&self.elapsed, What::TimedOut, 0, &self.clock);
        Elapsed::new(self.reporter.name, self.config.covers, limit)
    }
}

impl Local {
    pub(super) fn new(shared: &Arc<Shared>) -> Arc<Self> {
        let shared = Arc::clone(shared);
        Arc::new(Self { shared })
    }
}
