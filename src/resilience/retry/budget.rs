use serde::{Deserialize, Serialize};

use crate::resilience::{ConfigError, config::Check};

/// The largest share, reserve and savings.
const MOST: u32 = 1_000_000;

/// How many retries all requests of a layer together may have, so that a dependency that is down is not asked several
/// times as much as one that is up.
///
/// In a file `budget = "unlimited"`, or the fields of [`BudgetConfig`] below `budget.limited`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Budget {
    /// So many.
    Limited(BudgetConfig),
    /// As many as each request may have.
    Unlimited,
}

/// A budget of retries.
///
/// In any time of `t` seconds in which `n` requests come, there are at most
/// `ratio × n + saved + per_second × (t + 1)` retries, over all services of a layer and their clones.
///
/// The defaults are those of Finagle's and tower's budgets, in this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BudgetConfig {
    /// So many retries for each request, on the average; counted in millionths. 0 to 1,000, default 0.2.
    pub ratio: f64,
    /// So many in each second besides, so that few requests can be tried again, too; as many at once. 0 to 1,000,000,
    /// default 10.
    pub per_second: u32,
    /// What requests have saved and nobody used is kept up to so many retries. 0, only if `ratio` is, to 1,000,000;
    /// default 100.
    pub saved: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::Limited(BudgetConfig::default())
    }
}

impl Default for BudgetConfig {
    fn default() -> Self {
        Self {
            ratio: 0.2,
            per_second: 10,
            saved: 100,
        }
    }
}

impl From<BudgetConfig> for Budget {
    fn from(config: BudgetConfig) -> Self {
        Self::Limited(config)
    }
}

impl Budget {
    pub(super) fn validate(&self, check: Check) -> Result<(), ConfigError> {
        let Self::Limited(config) = self else {
            return Ok(());
        };
        let BudgetConfig {
            ratio,
            per_second,
            saved,
        } = *config;
        let holds = (0.0..=1_000.0).contains(&ratio);
        let saves = saved > 0 || ratio == 0.0;
        check
            .holds("budget.ratio", ratio, holds, "0 to 1,000")?
            .holds(
                "budget.per_second",
                per_second,
                per_second <= MOST,
                "0 to 1,000,000",
            )?
            .holds(
                "budget.saved",
                saved,
                saves && saved <= MOST,
                "1 to 1,000,000, or 0 if budget.ratio is",
            )?;
        Ok(())
    }
}

impl BudgetConfig {
    /// Sets how many for each request.
    pub const fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets how many in each second besides.
    pub const fn per_second(mut self, retries: u32) -> Self {
        self.per_second = retries;
        self
    }

    /// Sets how many are saved up.
    pub const fn saved(mut self, retries: u32) -> Self {
        self.saved = retries;
        self
    }

    /// The share of a request, in such parts of a retry.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1,000 million"
    )]
    pub(super) fn parts(&self, retry: u64) -> u64 {
        (self.ratio * retry as f64).round() as u64
    }
}
