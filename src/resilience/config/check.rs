use std::{fmt, time::Duration};

use super::ConfigError;

/// 2^40 ms, 34 years: the longest time of a configuration. Sums of some of them do not overflow.
const LONGEST: Duration = Duration::from_millis(1 << 40);

/// Checks the fields of one configuration; the first that breaks its rule is the error.
///
/// ```text
/// Check::of("breaker")
///     .at_least_one("success_threshold", self.success_threshold)?
///     .rate("trip.rate", rate)?
///     .positive("window", self.window)?;
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check(&'static str);

impl Check {
    pub(crate) const fn of(component: &'static str) -> Self {
        Self(component)
    }

    /// A rule of its own: completes "the field must be …".
    pub(crate) fn holds(
        self,
        field: &'static str,
        value: impl fmt::Debug,
        holds: bool,
        rule: &'static str,
    ) -> Result<Self, ConfigError> {
        if holds {
            return Ok(self);
        }
        Err(ConfigError {
            component: self.0,
            field,
            value: format!("{value:?}"),
            rule,
        })
    }

    pub(crate) fn at_least_one(self, field: &'static str, value: u32) -> Result<Self, ConfigError> {
        self.holds(field, value, value >= 1, "at least 1")
    }

    /// A share of calls.
    pub(crate) fn rate(self, field: &'static str, value: f64) -> Result<Self, ConfigError> {
        let holds = value > 0.0 && value <= 1.0;
        self.holds(field, value, holds, "above 0 and at most 1")
    }

    /// Whether sums of some such times do not overflow.
    pub(crate) fn is_bounded(time: Duration) -> bool {
        time < LONGEST
    }

    /// A time that may be none.
    pub(crate) fn bounded(self, field: &'static str, value: Duration) -> Result<Self, ConfigError> {
        let holds = Self::is_bounded(value);
        self.holds(field, value, holds, "below 2^40 ms (34 years)")
    }

    /// A time that passes.
    pub(crate) fn positive(
        self,
        field: &'static str,
        value: Duration,
    ) -> Result<Self, ConfigError> {
        let holds = !value.is_zero() && value < LONGEST;
        self.holds(field, value, holds, "above 0 and below 2^40 ms (34 years)")
    }
}
