//! What hurts when a component of [`resilience`](crate::resilience) trips, and when is it well again?

mod levels;
mod notices;
mod spool;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

pub use self::notices::AlarmObserver;
pub(crate) use self::{notices::Notices, spool::SpoolAlarms};
use super::Level;
use crate::resilience::Name;

/// How [`Bus::alarms`](crate::Bus::alarms) makes signals of what happens to breakers, bulkheads and their kin
/// (requirements 1.19, 1.20).
///
/// | what happens | pain, at once | pleasure |
/// |---|---|---|
/// | a breaker opens | `High`; `Critical` for a [critical](Self::critical) one | when it has been closed for the [hold](Self::hold) |
/// | calls are refused, by a bulkhead for example | `Medium` | when none was for the hold |
/// | a retry gives up | `Medium` | when it has not for the hold |
/// | a bulkhead uses its overflow | `Low` | when it has not for the hold |
/// | the health of a registry falls below healthy | `Medium` | when it has been healthy for the hold |
/// | it falls below degraded | `Critical` | when it has not been unhealthy for the hold |
///
/// Pain and pleasure of one component take turns, and pleasure has the level of the pain that it ends: what flaps faster
/// than the hold, or refuses thousands of calls, is one pain. The metric is `breaker.NAME`, `refused.NAME`,
/// `gave_up.NAME`, `overflow.NAME`, `degraded.NAME` or `unhealthy.NAME`; the value is how often it has opened, how many
/// calls were refused or went to the overflow: until the pain was raised, and in all when it ends. When the last of them
/// was is known to the second.
///
/// A [spool](crate::spool) that a mirror has hurts likewise: when records are [lost](crate::spool::Notice::Lost)
/// (`spool.lost`, `High`) and when its disk fails (`spool.disk`, `Critical`), with pleasure when neither was so for the
/// hold. While one of these lasts it is raised again after a minute, then after twice as long each time, up to an hour,
/// if it goes on. Records that make room for these signals are counted, and raise none. Each damaged file is a pain by
/// itself (`spool.damaged`, `Critical`).
///
/// Health is that of a whole [registry](crate::resilience::registry::Registry), and needs somebody who looks at it: its
/// [`supervise`](crate::resilience::registry::Registry::supervise).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarms {
    hold: Duration,
    critical: BTreeSet<Name>,
}

impl Alarms {
    /// With the defaults: no component is critical, and the hold is 5 s.
    pub fn new() -> Self {
        Self::default()
    }

    /// For how long a component has to be well before that is said; default 5 s (ours). At least a second where calls
    /// are refused, go to the overflow or are given up: these are told once a second.
    pub const fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// The pain of this breaker is [`Critical`](Level::Critical).
    pub fn critical(mut self, breaker: impl Into<Name>) -> Self {
        self.critical.insert(breaker.into());
        self
    }

    fn level_of_open(&self, breaker: Name) -> Level {
        if self.critical.contains(&breaker) {
            Level::Critical
        } else {
            Level::High
        }
    }
}

impl Default for Alarms {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(5),
            critical: BTreeSet::new(),
        }
    }
}
