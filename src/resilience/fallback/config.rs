use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::resilience::{ConfigError, Kind, config::Check};

/// Which errors a fallback takes.
///
/// ```
/// use algedonic::resilience::{Kind, fallback::FallbackConfig};
///
/// let while_protected = FallbackConfig::default().kinds([Kind::LocalRejection]);
/// # assert!(while_protected.validate().is_ok());
/// ```
///
/// As a file:
///
/// ```toml
/// kinds = ["dependency", "timeout"]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FallbackConfig {
    /// Errors of these kinds are answered, at least one. Default (ours): `dependency`, `timeout` and
    /// `local_rejection`, which is any failure of a call that was right and is still wanted; requirement
    /// 1.23 wants answers while protection is active, which is the last of them. It is not asked where
    /// the builder is given a rule of another sort.
    pub kinds: BTreeSet<Kind>,
}

impl Default for FallbackConfig {
    fn default() -> Self {
        Self {
            kinds: [Kind::Dependency, Kind::Timeout, Kind::LocalRejection].into(),
        }
    }
}

impl FallbackConfig {
    /// Sets which kinds are answered.
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    /// Whether it can work; else which field breaks which rule.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let some = !self.kinds.is_empty();
        Check::of("fallback").holds("kinds", &self.kinds, some, "at least one kind")?;
        Ok(())
    }
}
