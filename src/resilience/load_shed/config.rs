use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::resilience::{
    ConfigError,
    config::{Check, duration},
};

/// What who is refused is told.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::resilience::load_shed::LoadShedConfig;
///
/// let config = LoadShedConfig::default().retry_after(Duration::from_secs(1));
/// # assert!(config.validate().is_ok());
/// ```
///
/// As a file, with times in words or in milliseconds:
///
/// ```toml
/// retry_after = "1s"
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LoadShedConfig {
    /// How long to wait at least before trying again: a hint for callers, which is in each rejection. Above 0, below
    /// 2^40 ms. Default none: nobody knows when the service will have room.
    #[serde(with = "duration::option")]
    pub retry_after: Option<Duration>,
}

impl LoadShedConfig {
    /// Sets when to come back.
    pub const fn retry_after(mut self, least: Duration) -> Self {
        self.retry_after = Some(least);
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(least) = self.retry_after {
            Check::of("load_shed").positive("retry_after", least)?;
        }
        Ok(())
    }
}
