use std::{sync::Arc, time::Duration};

use algedonic_transport::{Error, ErrorKind};

use crate::Level;

/// The chain of those who are to react to pain, for [`Bus::escalate`](crate::Bus::escalate): in the Viable System
/// Model S3, then S4, then S5.
///
/// A pain comes to the first seat. Whoever has it [acknowledges](crate::Pain::acknowledge) it within the seat's time, or it is
/// raised again, one [`Level`] higher, and comes to the next seat. At the last one it ends as
/// [unanswered](crate::ChainCounts::unanswered), which is logged and counted.
///
/// ```
/// # use std::time::Duration;
/// use algedonic::{Escalation, Level};
///
/// let escalation = Escalation::new()
///     .seat("s3", Duration::from_secs(30))
///     .seat("s4", Duration::from_secs(60))
///     .seat("s5", Duration::from_secs(120))
///     .from(Level::Medium);
/// # let _ = escalation;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    pub(super) seats: Vec<(Arc<str>, Duration)>,
    pub(super) from: Level,
    pub(super) capacity: usize,
    pub(super) own_only: bool,
}

impl Escalation {
    /// A chain without a seat: it needs at least one.
    pub const fn new() -> Self {
        Self {
            seats: Vec::new(),
            from: Level::Low,
            capacity: 1_024,
            own_only: false,
        }
    }

    /// One more seat, above those that are there, and how long a pain waits there for somebody who acknowledges it. By
    /// tokio's clock; above 0, at most a year.
    pub fn seat(mut self, name: impl Into<Arc<str>>, patience: Duration) -> Self {
        self.seats.push((name.into(), patience));
        self
    }

    /// Pains below this level are nobody's duty; default [`Level::Low`], which is all.
    pub const fn from(mut self, level: Level) -> Self {
        self.from = level;
        self
    }

    /// How many pains may be open at a time, each of another source or metric; default 1,024 (ours), at least 1. When there are more,
    /// the least severe one, of those the oldest, ends as unanswered.
    pub fn capacity(mut self, pains: usize) -> Self {
        self.capacity = pains.max(1);
        self
    }

    /// Takes only pains that this bus has raised. By default those of other processes, too: then one process of a system
    /// has the chain, or each raises them again.
    pub const fn own_only(mut self) -> Self {
        self.own_only = true;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refuse = |detail: String| {
            let error = Error::permanent(ErrorKind::Misconfigured, "set up the escalation");
            Err(error.with_detail(detail))
        };
        if self.seats.is_empty() {
            return refuse("it has no seat".to_owned());
        }
        for (number, (name, patience)) in self.seats.iter().enumerate() {
            if self.seats[..number].iter().any(|(other, _)| other == name) {
                return refuse(format!("there are two seats {name}"));
            }
            if patience.is_zero() || *patience > Duration::from_secs(366 * 24 * 3600) {
                return refuse(format!(
                    "the patience of {name} is {patience:?}: above 0, at most a year"
                ));
            }
        }
        Ok(())
    }
}

impl Default for Escalation {
    fn default() -> Self {
        Self::new()
    }
}
