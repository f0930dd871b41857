use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::resilience::{
    ConfigError,
    config::{Check, duration},
};

/// How long a call may take.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::timeout::TimeoutConfig;
///
/// let attempt = TimeoutConfig::attempt(Duration::from_secs(2));
/// let total = TimeoutConfig::total(Duration::from_secs(10));
/// # assert!(attempt.validate().is_ok() && total.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// limit = "10s"
/// covers = "total"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TimeoutConfig {
    /// How long. Above 0, below 2^40 ms; default 30 s, that of requirement 1.08 for calls of a language model, which
    /// are the slowest of which a source says something.
    #[serde(with = "duration")]
    pub limit: Duration,
    /// What takes no longer. Default (ours): an attempt.
    pub covers: Covers,
}

/// What a timeout covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// For the same reason as that of a rejection.
#[repr(u64)]
pub enum Covers {
    /// One call of the service inside, from when it is called.
    #[default]
    Attempt,
    /// All that happens to a call, also before the service inside is ready for it.
    Total,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self::attempt(Duration::from_secs(30))
    }
}

impl TimeoutConfig {
    /// So long for each attempt.
    pub const fn attempt(limit: Duration) -> Self {
        Self {
            limit,
            covers: Covers::Attempt,
        }
    }

    /// So long for all of it.
    pub const fn total(limit: Duration) -> Self {
        Self {
            limit,
            covers: Covers::Total,
        }
    }

    /// An attempt at a language model: 30 s (requirement 1.08).
    pub const fn llm_api() -> Self {
        Self::attempt(Duration::from_secs(30))
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Check::of("timeout").positive("limit", self.limit)?;
        Ok(())
    }
}

impl fmt::Display for Covers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attempt => "an attempt",
            Self::Total => "the call in total",
        })
    }
}
