//! What configurations share: their error, their rules, and how they are written down.

mod check;
pub(crate) mod duration;

use std::{error::Error, fmt};

pub(crate) use self::check::Check;

/// A setting that cannot work: which one, and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    component: &'static str,
    field: &'static str,
    value: String,
    rule: &'static str,
}

impl ConfigError {
    /// What is configured: `breaker`, `bulkhead`, `retry`.
    pub const fn component(&self) -> &'static str {
        self.component
    }

    /// The field, as it is written in a configuration file: `failure_threshold`, `reset.jitter`.
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// What it is set to.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The rule: completes "the field must be …".
    pub const fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component,
            field,
            value,
            rule,
        } = self;
        write!(f, "{component}: {field} is {value}, and must be {rule}")
    }
}

impl Error for ConfigError {}
