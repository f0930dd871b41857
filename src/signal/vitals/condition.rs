//! Does it hurt, by how it was at each look? Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::Feeling;

/// How something is at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Well,
    /// Neither: what hurts goes on, and nothing begins.
    Between,
    Bad,
}

/// One thing that may hurt.
#[derive(Debug, Default)]
pub(super) struct Condition {
    hurts: bool,
    /// The first look that was bad since it was well for the hold.
    bad_since: Option<Instant>,
    /// The first of the looks that were all well, up to now.
    well_since: Option<Instant>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) feeling: Feeling,
    /// From the first bad look until now, or until it was well.
    pub(super) lasted: Duration,
}

impl Condition {
    /// It may be bad for `patience`, and has to be well for `hold`.
    pub(super) fn look(
        &mut self,
        look: Look,
        now: Instant,
        patience: Duration,
        hold: Duration,
    ) -> Option<Change> {
        if look == Look::Well {
            let well_since = *self.well_since.get_or_insert(now);
            if now.saturating_duration_since(well_since) < hold {
                return None;
            }
            let bad_since = self.bad_since.take().unwrap_or(well_since);
            return std::mem::take(&mut self.hurts).then_some(Change {
                feeling: Feeling::Pleasure,
                lasted: well_since.saturating_duration_since(bad_since),
            });
        }
        self.well_since = None;
        if look == Look::Between {
            return None;
        }
        let bad_since = *self.bad_since.get_or_insert(now);
        let lasted = now.saturating_duration_since(bad_since);
        if self.hurts || lasted < patience {
            return None;
        }
        self.hurts = true;
        Some(Change {
            feeling: Feeling::Pain,
            lasted,
        })
    }

    /// Whether it was well for so long that nothing of it need be kept.
    pub(super) const fn is_over(&self) -> bool {
        !self.hurts && self.bad_since.is_none()
    }
}
