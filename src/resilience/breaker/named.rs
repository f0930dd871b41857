use std::time::Duration;

use super::{BreakerConfig, OnCancel, Trip};
use crate::resilience::Name;

/// The breakers that requirement 1.01 names.
impl BreakerConfig {
    /// That of a name, or the default.
    pub(in crate::resilience) fn of(name: Name) -> Self {
        match name.as_str() {
            "llm_api" => Self::llm_api(),
            "amqp" => Self::amqp(),
            "external_api" => Self::external_api(),
            "database" => Self::database(),
            _ => Self::default(),
        }
    }

    /// Before a language model: 3 failures within 60 s open it for 120 s (requirement 1.08). Its 30 s for
    /// one call are for a timeout; a call that is dropped counts from half of that on (ours), since answers are slow, and
    /// people go away.
    pub fn llm_api() -> Self {
        Self::default()
            .trip(Trip::Failures {
                failure_threshold: 3,
                window: Duration::from_secs(60),
            })
            .reset_timeout(Duration::from_secs(120))
            .on_cancel(OnCancel::FailureIfOlderThan(Duration::from_secs(15)))
    }

    /// Before a message broker: 5 failures in a row open it for 60 s.
    pub fn amqp() -> Self {
        Self::default().trip(Trip::Consecutive {
            failure_threshold: 5,
        })
    }

    /// Before other people's servers. Requirement 1.01 gives it no numbers: the default.
    pub fn external_api() -> Self {
        Self::default()
    }

    /// Before a database. Requirement 1.01 gives it no numbers: the default.
    pub fn database() -> Self {
        Self::default()
    }
}
