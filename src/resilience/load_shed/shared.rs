use super::LoadShedConfig;
use crate::resilience::{
    Reason, Rejection, What, clock::Clock, counter::Counter, observer::Reporter, storm::Storm,
};

/// One load shed: shared by all services of a layer and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LoadShedConfig,
    pub(super) reporter: Reporter,
    pub(super) shed: Storm,
    /// Calls that were exempt when it counted.
    pub(super) exempted: Counter,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: LoadShedConfig, reporter: Reporter) -> Self {
        Self {
            config,
            shed: Storm::new(What::Rejected(Reason::Shed), &reporter, Clock::new()),
            reporter,
            exempted: Counter::default(),
        }
    }

    #[cold]
    pub(super) fn shed(&self) -> Rejection {
        self.shed.count(0);
        Rejection::new(self.reporter.name, Reason::Shed, self.config.retry_after)
    }
}
