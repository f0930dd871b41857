use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Budget, Jitter};
use crate::resilience::{
    ConfigError,
    config::{Check, duration},
};

/// How often to try again, and how long to wait before it.
///
/// Where the requirements are silent the number is ours, and says so.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::retry::{Jitter, RetryConfig};
///
/// let config = RetryConfig::default()
///     .max_retries(5)
///     .delays(Duration::from_secs(1), Duration::from_secs(30))
///     .max_elapsed(Duration::from_secs(60));
/// # assert!(config.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// max_retries = 5
/// first_delay = "1s"
/// jitter = "decorrelated"
///
/// [budget.limited]
/// ratio = 0.1
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// So many attempts after the first, at the most; with 0 there is none, and no request is cloned. Default 3, that
    /// of the requirements for publishing.
    pub max_retries: u32,
    /// How long the delay before the second attempt is, before [`jitter`](Self::jitter). Default 100 ms (ours, and
    /// that of a handler's [`Retry`](crate::Retry)).
    #[serde(with = "duration")]
    pub first_delay: Duration,
    /// No delay is longer, jitter included; only what a dependency [asks for](Self::max_retry_after) is added to it. At
    /// least `first_delay`; default 30 s, that of the requirements for reconnecting.
    #[serde(with = "duration")]
    pub max_delay: Duration,
    /// Each delay is as many times longer than the one before. At least 1; default 2, of the same requirement. It means
    /// nothing to [`Jitter::Decorrelated`].
    pub multiplier: f64,
    /// Which part of the delay is random. Default (ours): all of it.
    pub jitter: Jitter,
    /// When a dependency says that it is not to be asked again before some time, that time passes first, then the
    /// delay. When it says longer than this, it is not asked again. Default 5 min (ours).
    #[serde(with = "duration")]
    pub max_retry_after: Duration,
    /// No attempt begins later than so long after the call first had to wait, or failed. Default none: a total
    /// [timeout](crate::resilience::timeout) around it is known to it, too.
    #[serde(with = "duration::option")]
    pub max_elapsed: Option<Duration>,
    /// How many retries all requests together may have. Default: 20 % of the requests, and 10 in a second.
    pub budget: Budget,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_retries: 3,
            first_delay: Duration::from_millis(100),
            max_delay: Duration::from_secs(30),
            multiplier: 2.0,
            jitter: Jitter::default(),
            max_retry_after: Duration::from_secs(300),
            max_elapsed: None,
            budget: Budget::default(),
        }
    }
}

impl RetryConfig {
    /// Before an interface of others: 5 retries (requirement 1.22).
    pub fn external_api() -> Self {
        Self::default().max_retries(5)
    }

    /// Sets how often it tries again.
    pub const fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    /// Sets the first delay, and the longest that it may become.
    pub const fn delays(mut self, first: Duration, longest: Duration) -> Self {
        self.first_delay = first;
        self.max_delay = longest;
        self
    }

    /// Sets by how many times each delay is longer than the one before.
    pub const fn multiplier(mut self, multiplier: f64) -> Self {
        self.multiplier = multiplier;
        self
    }

    /// Sets which part of the delay is random.
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Sets how long a dependency may ask it to wait.
    pub const fn max_retry_after(mut self, longest: Duration) -> Self {
        self.max_retry_after = longest;
        self
    }

    /// Sets when the last attempt begins.
    pub const fn max_elapsed(mut self, time: Duration) -> Self {
        self.max_elapsed = Some(time);
        self
    }

    /// Sets how many retries all requests together may have.
    pub const fn budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (first, longest, multiplier) = (self.first_delay, self.max_delay, self.multiplier);
        let grows = multiplier >= 1.0 && multiplier.is_finite();
        let check = Check::of("retry")
            .positive("first_delay", first)?
            .positive("max_delay", longest)?
            .holds(
                "max_delay",
                longest,
                longest >= first,
                "at least first_delay",
            )?
            .holds("multiplier", multiplier, grows, "at least 1, and finite")?
            .positive("max_retry_after", self.max_retry_after)?;
        if let Some(time) = self.max_elapsed {
            check.positive("max_elapsed", time)?;
        }
        self.budget.validate(check)
    }
}
