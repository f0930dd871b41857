//! What has a registry counted?

use std::ops::AddAssign;

use serde::Serialize;

use super::HealthReport;
use crate::resilience::{
    Name,
    breaker::{BreakerHandle, State},
    bulkhead::BulkheadHandle,
};

/// What the components of a registry have counted since they were made (requirements 1.16 to 1.18); from
/// [`Registry::metrics`](super::Registry::metrics).
///
/// Each number is read by itself, while calls go on; at rest they add up.
///
/// As JSON:
///
/// ```json
/// {"breakers": [{"name": "llm_api", "state": "open", "state_changes": 1,
///                "calls": 12, "succeeded": 2, "failed": 3, "ignored": 0, "rejected": 7}],
///  "bulkheads": [{"name": "worker_agent", "available": 15, "busy": 5, "waiting": 0,
///                 "checkouts": 90, "admitted": 88, "rejected": 1, "timed_out": 1}]}
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Metrics {
    /// Each breaker, in the order of their names.
    pub breakers: Vec<BreakerMetrics>,
    /// Each bulkhead, in the order of their names.
    pub bulkheads: Vec<BulkheadMetrics>,
}

/// A breaker in [`Metrics`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerMetrics {
    /// Its name.
    pub name: Name,
    /// The state in which a call would find it.
    pub state: State,
    /// How often that has changed.
    pub state_changes: u64,
    /// Its calls.
    #[serde(flatten)]
    pub counts: BreakerCounts,
}

/// What became of the calls of a breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerCounts {
    /// All that have ended: the sum of the others. A call under way is in none of them.
    pub calls: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed, and count against what is protected.
    pub failed: u64,
    /// Those that said nothing about it: a layer inside refused them, they were cancelled, or wrong themselves.
    pub ignored: u64,
    /// Those that were not let through.
    pub rejected: u64,
}

/// A bulkhead in [`Metrics`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BulkheadMetrics {
    /// Its name.
    pub name: Name,
    /// Slots that are free, without the overflow.
    pub available: u64,
    /// Calls that have a slot.
    pub busy: u64,
    /// Calls that wait for a slot.
    pub waiting: u64,
    /// Its calls.
    #[serde(flatten)]
    pub counts: BulkheadCounts,
}

/// What became of those who asked a bulkhead for a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BulkheadCounts {
    /// All that were answered: the sum of the others. Who still waits, or has gone while waiting, is in none of them.
    pub checkouts: u64,
    /// Those that got a slot.
    pub admitted: u64,
    /// Those that found neither a slot nor a place to wait.
    pub rejected: u64,
    /// Those that found no slot in time.
    pub timed_out: u64,
}

/// The sums over all components; from [`Metrics::total`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Over all breakers.
    pub breakers: BreakerCounts,
    /// Over all bulkheads.
    pub bulkheads: BulkheadCounts,
}

/// How the components of a registry are, and what they have counted; from
/// [`Registry::report`](super::Registry::report), and told to [observers](crate::resilience::Observer::report).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The name of the registry.
    pub name: Name,
    /// How they are.
    pub health: HealthReport,
    /// What they have counted.
    pub metrics: Metrics,
}

impl Metrics {
    /// The breaker of this name.
    pub fn breaker(&self, name: &str) -> Option<&BreakerMetrics> {
        self.breakers.iter().find(|one| one.name.as_str() == name)
    }

    /// The bulkhead of this name.
    pub fn bulkhead(&self, name: &str) -> Option<&BulkheadMetrics> {
        self.bulkheads.iter().find(|one| one.name.as_str() == name)
    }

    /// The sums over all of them.
    pub fn total(&self) -> Totals {
        let mut total = Totals::default();
        for breaker in &self.breakers {
            total.breakers += breaker.counts;
        }
        for bulkhead in &self.bulkheads {
            total.bulkheads += bulkhead.counts;
        }
        total
    }
}

impl BreakerMetrics {
    pub(super) fn of(handle: &BreakerHandle) -> Self {
        let status = handle.status();
        let others = status.others.unwrap_or_default();
        Self {
            name: handle.name(),
            state: status.state,
            state_changes: status.generation,
            counts: BreakerCounts {
                calls: others.succeeded + status.failed + others.ignored + status.rejected,
                succeeded: others.succeeded,
                failed: status.failed,
                ignored: others.ignored,
                rejected: status.rejected,
            },
        }
    }
}

impl BulkheadMetrics {
    pub(super) fn of(handle: &BulkheadHandle) -> Self {
        let status = handle.status();
        Self {
            name: handle.name(),
            available: status.available,
            busy: status.running,
            waiting: status.waiting,
            counts: BulkheadCounts {
                checkouts: status.admitted + status.rejected + status.timed_out,
                admitted: status.admitted,
                rejected: status.rejected,
                timed_out: status.timed_out,
            },
        }
    }
}

impl AddAssign for BreakerCounts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.rejected += other.rejected;
    }
}

impl AddAssign for BulkheadCounts {
    fn add_assign(&mut self, other: Self) {
        self.checkouts += other.checkouts;
        self.admitted += other.admitted;
        self.rejected += other.rejected;
        self.timed_out += other.timed_out;
    }
}
