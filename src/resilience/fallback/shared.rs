use std::sync::Arc;

use super::FallbackConfig;
use crate::resilience::{
    What,
    clock::Clock,
    counter::{Coalesced, Counter},
    observer::Reporter,
};

/// One fallback: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: FallbackConfig,
    pub(super) reporter: Reporter,
    clock: Clock,
    /// Errors that were taken.
    pub(super) taken: Coalesced,
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
            reporter,
            clock: Clock::new(),
            taken: Coalesced::default(),
            answered: Counter::default(),
            failed: Counter::default(),
        }
    }

    /// An error was taken, and the fallback begins.
    pub(super) fn take(&self) {
        self.reporter
            .count(&self.taken, What::FellBack, 0, &self.clock);
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
