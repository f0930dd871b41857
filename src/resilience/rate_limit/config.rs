use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resilience::{
    ConfigError,
    clock::nanos,
    config::{Check, duration},
};

/// The shortest interval between calls, in nanoseconds.
const LEAST: u64 = 1_000;

/// How many calls in which time, how many at once, and how long one waits.
///
/// The default is that of requirement 1.12; where it is silent the number is ours, and says so.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::rate_limit::RateLimitConfig;
///
/// let minute = Duration::from_secs(60);
/// let refuses = RateLimitConfig::default().limit(600).period(minute).burst(20);
/// let waits = RateLimitConfig::default().max_wait(Duration::from_secs(5));
/// # assert!(refuses.validate().is_ok() && waits.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// limit = 600
/// period = "1m"
/// burst = 20
/// max_wait = "5s"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// So many calls in a period, evenly: one each `period / limit`, which is rounded up to a nanosecond. At least 1,
    /// and at most one in a microsecond. Default 10.
    pub limit: u32,
    /// The period of the limit. Above 0, below 2^40 ms; default 1 s.
    #[serde(with = "duration")]
    pub period: Duration,
    /// So many calls at once, if nothing came for a while. At least 1, which is none but at their times; so many have
    /// to come back within 2^40 ms. Default 10 (ours): what the limit allows in a second.
    pub burst: u32,
    /// How long a call waits for its time at most; what would have to wait longer is refused at once. 0, which refuses
    /// whatever would have to wait, to 2^40 ms. Default 0 (ours).
    #[serde(with = "duration")]
    pub max_wait: Duration,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            limit: 10,
            period: Duration::from_secs(1),
            burst: 10,
            max_wait: Duration::ZERO,
        }
    }
}

impl RateLimitConfig {
    /// Calls of a language model: 10 in a second (requirement 1.12). The default.
    pub fn llm_worker() -> Self {
        Self::default()
    }

    /// Sets how many calls a period allows.
    pub const fn limit(mut self, calls: u32) -> Self {
        self.limit = calls;
        self
    }

    /// Sets the period of the limit.
    pub const fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Sets how many calls may come at once.
    pub const fn burst(mut self, calls: u32) -> Self {
        self.burst = calls;
        self
    }

    /// Sets how long a call waits at most; with 0 none does.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = Check::of("rate_limit")
            .at_least_one("limit", self.limit)?
            .positive("period", self.period)?;
        let slow = nanos(self.period) >= u64::from(self.limit) * LEAST;
        let rule = "at most one in a microsecond";
        let check = check
            .holds("limit", self.limit, slow, rule)?
            .at_least_one("burst", self.burst)?;
        let back = Duration::from_nanos(self.interval()).checked_mul(self.burst);
        let comes_back = back.is_some_and(Check::is_bounded);
        let rule = "so many that they come back within 2^40 ms (34 years)";
        check
            .holds("burst", self.burst, comes_back, rule)?
            .bounded("max_wait", self.max_wait)?;
        Ok(())
    }

    /// Between calls, in nanoseconds: never shorter than what is configured.
    pub(super) fn interval(&self) -> u64 {
        nanos(self.period).div_ceil(u64::from(self.limit))
    }
}
