use std::sync::Arc;

use super::FallbackConfig;
use crate::resilience::{What, clock::Clock, counter::Counter, observer::Reporter, storm::Storm};

/// One fallback: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: FallbackConfig,
    pub(super) reporter: Reporter,
    /// Errors that were taken.
    pub(super) taken: Storm,
    pub(super) answered: Counter,
    pub(super) failed: Counter,
}

/// What a service and its calls hold. Each clone of a service has one of its own: a call counts the references to this
/// one, and so touches no memory that other clones touch.
#[derive(Debug)]
pub(super) struct Local<B, W> {
    pub(super) shared: Arc<Shared>,
    pub(super) backup: B,
    pub(super) takes: W,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: FallbackConfig, reporter: Reporter) -> Self {
        Self {
            config,
            taken: Storm::new(What::FellBack, &reporter, Clock::new()),
            reporter,
            answered: Counter::default(),
            failed: Counter::default(),
        }
    }

    /// An error was taken, and the fallback begins.
    pub(super) fn take(&self) {
        self.taken.count(0);
    }

    pub(super) fn end(&self, answered: bool) {
        let counter = if answered {
            &self.answered
        } else {
            &self.failed
        };
        counter.add(1);
    }
}
