use super::LoadShedConfig;
use crate::resilience::{
    Reason, Rejection, What,
    clock::Clock,
    counter::{Coalesced, Counter},
    observer::Reporter,
};

/// One load shed: shared by all services of a layer and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LoadShedConfig,
    pub(super) reporter: Reporter,
    clock: Clock,
    pub(super) shed: Coalesced,
    /// Calls that were exempt when it counted.
    pub(super) exempted: Counter,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: LoadShedConfig, reporter: Reporter) -> Self {
        Self {
            config,
            reporter,
            clock: Clock::new(),
            shed: Coalesced::default(),
            exempted: Counter::default(),
        }
    }

    #[cold]
    pub(super) fn shed(&self) -> Rejection {
        let what = What::Rejected(Reason::Shed);
        self.reporter.count(&self.shed, what, 0, &self.clock);
        Rejection::new(self.reporter.name, Reason::Shed, self.config.retry_after)
    }
}
