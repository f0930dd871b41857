//! Does it hurt, by what a spool has told of one thing? Pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::Feeling;

/// A pain that lasts is raised again after this time, then after twice as long each time …
const AGAIN: Duration = Duration::from_secs(60);
/// … until it is this long.
const AT_MOST: Duration = Duration::from_secs(3600);

/// One thing about a spool that may hurt: at once, seldom again while it lasts, until it was well for the hold.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Pain was raised, and no pleasure since.
    hurts: bool,
    /// It is wrong, and was not said to work again.
    is_on: bool,
    /// Since when it has been well, as far as is known.
    well_since: Option<Instant>,
    /// It went wrong since something was last said.
    is_unsaid: bool,
    /// How often, since the last pleasure.
    count: u64,
    /// How many of those no pain has told.
    untold: u64,
    /// While it hurts: no other pain before then, or none at all.
    again: Option<Instant>,
    /// How long that was after the last.
    pause: Duration,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) feeling: Feeling,
    /// How often it went wrong: with pain since the last one, with pleasure in all.
    pub(super) count: u64,
}

impl Trouble {
    pub(super) const fn new() -> Self {
        Self {
            hurts: false,
            is_on: false,
            well_since: None,
            is_unsaid: false,
            count: 0,
            untold: 0,
            again: None,
            pause: Duration::ZERO,
        }
    }

    /// It went wrong, and is well again.
    pub(super) fn happens(&mut self, now: Instant) {
        self.begins();
        self.ends(now);
    }

    /// It goes wrong.
    pub(super) fn begins(&mut self) {
        self.is_on = true;
        self.is_unsaid = true;
        self.count_only();
    }

    /// It works again.
    pub(super) fn ends(&mut self, now: Instant) {
        self.is_on = false;
        self.well_since = Some(now);
    }

    /// It went wrong by what was said of it: that hurts nobody anew, and prolongs nothing.
    pub(super) fn count_only(&mut self) {
        self.count = self.count.saturating_add(1);
        self.untold = self.untold.saturating_add(1);
    }

    /// What is to be said now.
    pub(super) fn due(&mut self, now: Instant, hold: Duration) -> Option<Said> {
        if self.ends_at(hold).is_some_and(|end| end <= now) {
            let count = self.count;
            *self = Self::new();
            return Some(Said {
                feeling: Feeling::Pleasure,
                count,
            });
        }
        let is_early = self.hurts && self.again.is_none_or(|again| now < again);
        if !self.is_unsaid || is_early {
            return None;
        }
        (self.hurts, self.is_unsaid) = (true, false);
        self.pause = self.pause.saturating_mul(2).clamp(AGAIN, AT_MOST).max(hold);
        self.again = now.checked_add(self.pause);
        Some(Said {
            feeling: Feeling::Pain,
            count: std::mem::take(&mut self.untold),
        })
    }

    /// When something is due if nothing happens until then.
    pub(super) fn next(&self, hold: Duration) -> Option<Instant> {
        let again = self.again.filter(|_| self.is_unsaid);
        [self.ends_at(hold), again].into_iter().flatten().min()
    }

    /// While it hurts: when it has been well for long enough.
    fn ends_at(&self, hold: Duration) -> Option<Instant> {
        let well_since = self.well_since.filter(|_| self.hurts && !self.is_on)?;
        well_since.checked_add(hold)
    }
}
