use crate::resilience::{
    breaker::{BreakerConfig, Slow, Trip},
    clock::nanos,
};

/// A valid configuration, in nanoseconds.
#[derive(Clone, Debug)]
pub(in crate::resilience) struct Settings {
    pub(super) trip: Trip,
    pub(super) counts_slow: bool,
    pub(super) success_threshold: u64,
    pub(super) permits: u64,
    pub(super) half_open_timeout: u64,
    pub(super) reset: Reset,
    /// 0 is none.
    pub(super) ramp: u64,
}

/// How long it stays open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) timeout: u64,
    pub(super) multiplier: f64,
    pub(super) longest: u64,
    pub(super) jitter: f64,
}

/// What a window has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::resilience) struct Tally {
    pub(in crate::resilience) calls: u64,
    pub(in crate::resilience) failures: u64,
    pub(in crate::resilience) slow: u64,
}

impl From<&BreakerConfig> for Settings {
    fn from(config: &BreakerConfig) -> Self {
        Self {
            trip: config.trip.clone(),
            counts_slow: config.slow_from().is_some(),
            success_threshold: config.success_threshold.into(),
            permits: config.half_open_permits.into(),
            half_open_timeout: nanos(config.half_open_timeout),
            reset: Reset {
                timeout: nanos(config.reset_timeout),
                multiplier: config.reset_multiplier,
                longest: nanos(config.reset_timeout_max).max(nanos(config.reset_timeout)),
                jitter: config.reset_jitter,
            },
            ramp: config.ramp.map_or(0, nanos),
        }
    }
}

impl Trip {
    /// Whether what a window has counted opens the breaker; for the rules by a rate.
    pub(in crate::resilience::breaker) fn is_met_by(&self, tally: Tally) -> bool {
        let (rate, minimum_calls, minimum_failures, slow) = match self {
            Self::RateOfCalls {
                failure_rate,
                minimum_calls,
                slow,
                ..
            } => (*failure_rate, *minimum_calls, 1, slow),
            Self::RateInWindow {
                failure_rate,
                minimum_calls,
                minimum_failures,
                slow,
                ..
            } => (*failure_rate, *minimum_calls, *minimum_failures, slow),
            Self::Consecutive { .. } | Self::Failures { .. } => return false,
        };
        // A quotient is rounded as a rate that is written down: 7 of 100 are 0.07.
        let reaches = |count: u64, rate: f64| count as f64 / tally.calls as f64 >= rate;
        let failing = tally.failures >= minimum_failures.into() && reaches(tally.failures, rate);
        let slowed = slow
            .as_ref()
            .is_some_and(|slow: &Slow| reaches(tally.slow, slow.rate));
        tally.calls >= minimum_calls.into() && (failing || slowed)
    }
}
