use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resilience::{
    ConfigError, Name,
    config::{Check, duration},
};

/// The largest size, overflow and queue.
const MOST: u32 = 1_000_000;

// Both have room in the word of the core.
const _: () = assert!(MOST * 2 <= super::core::MOST);

/// How many calls run at a time, and how many wait for how long.
///
/// The defaults are those of the worker pool in requirement 1.11; where it is silent the number is ours, and says so.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::bulkhead::BulkheadConfig;
///
/// let waits = BulkheadConfig::default().size(8).queue(16).max_wait(Duration::from_secs(1));
/// let rejects_at_once = BulkheadConfig::default().size(8).overflow(0).queue(0);
/// # assert!(waits.validate().is_ok() && rejects_at_once.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// size = 5
/// overflow = 2
/// max_wait = "30s"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BulkheadConfig {
    /// So many calls run at a time. 1 to 1,000,000, default 20.
    pub size: u32,
    /// So many more run when those are all taken. 0 to 1,000,000, default 10.
    pub overflow: u32,
    /// So many wait when these are taken, too. 0, which rejects at once, to 1,000,000. Default 60 (ours): twice as
    /// many as run.
    pub queue: u32,
    /// How long one waits at most. Default 5 s.
    #[serde(with = "duration")]
    pub max_wait: Duration,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self {
            size: 20,
            overflow: 10,
            queue: 60,
            max_wait: Duration::from_secs(5),
        }
    }
}

impl BulkheadConfig {
    /// That of a name, or the default.
    pub(in crate::resilience) fn of(name: Name) -> Self {
        match name.as_str() {
            "worker_agent" => Self::worker_agent(),
            "llm_worker" => Self::llm_worker(),
            "sensor_agent" => Self::sensor_agent(),
            "api_agent" => Self::api_agent(),
            "telegram_bot" => Self::telegram_bot(),
            _ => Self::default(),
        }
    }

    /// The pool of general workers: 20 calls, 10 more, which wait 5 s (requirement 1.11). The default.
    pub fn worker_agent() -> Self {
        Self::default()
    }

    /// The pool before a language model: 5 calls, 2 more, which wait 30 s (requirement 1.12); 14 may wait
    /// (ours). Its 10 calls in a second are for a rate limit.
    pub fn llm_worker() -> Self {
        Self::default()
            .size(5)
            .overflow(2)
            .queue(14)
            .max_wait(Duration::from_secs(30))
    }

    /// The pool of sensors. Requirement 1.02 gives it no numbers: the default.
    pub fn sensor_agent() -> Self {
        Self::default()
    }

    /// The pool of those who answer requests from outside. Requirement 1.02 gives it no numbers: the default.
    pub fn api_agent() -> Self {
        Self::default()
    }

    /// The pool of the bot. Requirement 1.02 gives it no numbers: the default.
    pub fn telegram_bot() -> Self {
        Self::default()
    }

    /// Sets how many calls run at a time.
    pub const fn size(mut self, calls: u32) -> Self {
        self.size = calls;
        self
    }

    /// Sets how many more run when it is busy.
    pub const fn overflow(mut self, calls: u32) -> Self {
        self.overflow = calls;
        self
    }

    /// Sets how many wait; with 0 what finds no slot is rejected at once.
    pub const fn queue(mut self, calls: u32) -> Self {
        self.queue = calls;
        self
    }

    /// Sets how long one waits at most.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self {
            size,
            overflow,
            queue,
            max_wait,
        } = *self;
        let rule = "1 to 1,000,000";
        let check = Check::of("bulkhead").holds("size", size, (1..=MOST).contains(&size), rule)?;
        let rule = "0 to 1,000,000";
        check
            .holds("overflow", overflow, overflow <= MOST, rule)?
            .holds("queue", queue, queue <= MOST, rule)?
            .positive("max_wait", max_wait)?;
        Ok(())
    }

    /// How many run, with the overflow.
    pub(super) const fn slots(&self) -> u32 {
        self.size + self.overflow
    }
}
