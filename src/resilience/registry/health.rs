//! What does a registry say about its components?

use std::fmt;

use serde::Serialize;

use super::rule::{Part, overall};
use crate::resilience::{
    Name,
    breaker::{BreakerHandle, State},
    bulkhead::BulkheadHandle,
};

/// How something is. The worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// All breakers are closed (or disabled by somebody), and no bulkhead rejects calls.
    Healthy,
    /// A breaker is open or half-open, or a bulkhead rejects calls.
    Degraded,
    /// A [critical](super::RegistryBuilder::critical) breaker is open, or more than half of all.
    Unhealthy,
}

/// How the components of a registry were at one moment (requirement 1.21).
///
/// As JSON:
///
/// ```json
/// {"overall": "degraded",
///  "breakers": [{"name": "llm_api", "state": "open", "failure_count": 0, "critical": false, "rejected": 7}],
///  "bulkheads": [{"name": "worker_agent", "available": 15, "busy": 5, "waiting": 0, "rejecting": false}]}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The whole.
    pub overall: Health,
    /// Each breaker, in the order of their names.
    pub breakers: Vec<BreakerHealth>,
    /// Each bulkhead, in the order of their names.
    pub bulkheads: Vec<BulkheadHealth>,
}

/// A breaker in a [`HealthReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerHealth {
    /// Its name.
    pub name: Name,
    /// The state in which a call would find it.
    pub state: State,
    /// Failures that count towards opening it.
    pub failure_count: u64,
    /// Whether the application is unhealthy while it is open.
    pub critical: bool,
    /// Rejected calls since it was made.
    pub rejected: u64,
}

/// A bulkhead in a [`HealthReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BulkheadHealth {
    /// Its name.
    pub name: Name,
    /// Slots that are free, without the overflow.
    pub available: u64,
    /// Calls that have a slot.
    pub busy: u64,
    /// Calls that wait for a slot.
    pub waiting: u64,
    /// Whether it has refused a call [of late](super::RegistryBuilder::rejection_hold).
    pub rejecting: bool,
}

impl HealthReport {
    pub(super) fn new(breakers: Vec<BreakerHealth>, bulkheads: Vec<BulkheadHealth>) -> Self {
        let parts: Vec<_> = breakers
            .iter()
            .map(|breaker| Part {
                state: breaker.state,
                is_critical: breaker.critical,
            })
            .collect();
        let is_rejecting = bulkheads.iter().any(|bulkhead| bulkhead.rejecting);
        Self {
            overall: overall(&parts, is_rejecting),
            breakers,
            bulkheads,
        }
    }
}

impl BreakerHealth {
    pub(super) fn of(handle: &BreakerHandle, critical: bool) -> Self {
        let status = handle.status();
        Self {
            name: handle.name(),
            state: status.state,
            failure_count: status.failure_count,
            critical,
            rejected: status.rejected,
        }
    }
}

impl BulkheadHealth {
    pub(super) fn of(handle: &BulkheadHandle, rejecting: bool) -> Self {
        let status = handle.status();
        Self {
            name: handle.name(),
            available: status.available,
            busy: status.running,
            waiting: status.waiting,
            rejecting,
        }
    }
}

impl fmt::Display for HealthReport {
    /// One line for an operator: how the whole is, and what is not well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.overall)?;
        let is_well = |state| matches!(state, State::Closed | State::Disabled);
        let mut separator = ": ";
        for breaker in self.breakers.iter().filter(|one| !is_well(one.state)) {
            write!(f, "{separator}{} {}", breaker.name, breaker.state)?;
            separator = ", ";
        }
        for bulkhead in self.bulkheads.iter().filter(|one| one.rejecting) {
            write!(f, "{separator}{} refuses calls", bulkhead.name)?;
            separator = ", ";
        }
        Ok(())
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        })
    }
}
