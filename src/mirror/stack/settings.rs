use std::time::Duration;

use crate::resilience::{
    breaker::BreakerConfig, bulkhead::BulkheadConfig, retry::RetryConfig, timeout::TimeoutConfig,
};

/// How the layers of the stack are configured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) breaker: BreakerConfig,
    pub(crate) retry: RetryConfig,
    pub(crate) in_flight: Option<u32>,
    pub(crate) attempt: Duration,
}

/// What a bulkhead can be.
const LARGEST: u32 = 1_000_000;

impl Default for Settings {
    fn default() -> Self {
        Self {
            breaker: BreakerConfig::amqp(),
            retry: RetryConfig::default(),
            in_flight: None,
            attempt: Duration::from_secs(6),
        }
    }
}

impl Settings {
    /// Nothing waits in it: whoever called first would not certainly be let in first. The mirror does not call it while
    /// it is full.
    pub(super) fn bulkhead(&self, window: usize) -> BulkheadConfig {
        let window = u32::try_from(window).unwrap_or(LARGEST).clamp(1, LARGEST);
        BulkheadConfig::default()
            .size(self.in_flight.unwrap_or(window))
            .overflow(0)
            .queue(0)
    }

    pub(super) fn timeout(&self) -> TimeoutConfig {
        TimeoutConfig::attempt(self.attempt)
    }
}
