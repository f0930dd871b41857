use algedonic::{Gap, Lag};

use super::marks::{Expiring, Mark};

/// What one subscription saw, checked at each step.
///
/// It does not know at which event exactly it began: it was there when `begun` had been begun, and not when
/// `done` were done. The same for both, as for those that were there first, and every number is exact.
pub(super) struct Witness {
    lag: Lag,
    expiring: Expiring,
    /// Left out because its time had passed, as far as a gap has said.
    expired: u64,
    hears: Vec<bool>,
    done: Vec<u64>,
    begun: Vec<u64>,
    /// Per publisher, the event after the last one it saw.
    next: Vec<Option<u64>>,
    pub(super) delivered: u64,
    /// Told to be missing.
    pub(super) missed: u64,
    pub(super) gaps: u64,
    /// Seen to be missing: at least, and at most. They differ by what had expired, which may have
    /// been missed or left out.
    lacks: (u64, u64),
}

impl Witness {
    pub(super) fn new(
        lag: Lag,
        expiring: Expiring,
        hears: Vec<bool>,
        done: Vec<u64>,
        begun: Vec<u64>,
    ) -> Self {
        Self {
            lag,
            expiring,
            expired: 0,
            next: vec![None; hears.len()],
            hears,
            done,
            begun,
            delivered: 0,
            missed: 0,
            gaps: 0,
            lacks: (0, 0),
        }
    }

    pub(super) fn event(&mut self, mark: Mark) {
        let Mark { publisher, number } = mark;
        assert!(self.hears[publisher], "{mark:?} is not for it");
        assert!(
            !self.expiring.has(number),
            "the time of {mark:?} has passed"
        );
        self.lack(publisher, number);
        assert!(
            self.lacks.0 <= self.missed,
            "{:?}: {mark:?} comes after {} missing, and {} were told",
            self.lag,
            self.lacks.0,
            self.missed
        );
        self.next[publisher] = Some(number + 1);
        self.delivered += 1;
    }

    pub(super) fn gap(&mut self, gap: Gap) {
        assert!(
            matches!(self.lag, Lag::DropOldest | Lag::DropNewest),
            "{:?} loses nothing: {gap}",
            self.lag
        );
        let expired = gap.from.checked_sub(self.delivered + self.missed);
        let expired = expired.expect("behind what it saw");
        assert!(self.expired <= expired, "{gap}");
        if let Expiring::Nothing = self.expiring {
            assert_eq!(expired, 0, "{gap}");
        }
        self.expired = expired;
        assert_eq!(gap.to + 1, gap.from + gap.missed, "{gap}");
        assert!(gap.missed > 0, "{gap}");
        self.missed += gap.missed;
        self.gaps += 1;
    }

    /// The end, after so many events of each publisher. What it saw and what it was told to be missing are all.
    pub(super) fn end(&mut self, published: &[u64]) {
        for (publisher, published) in published.iter().enumerate() {
            if self.hears[publisher] {
                self.lack(publisher, *published);
            }
        }
        let (least, most) = self.lacks;
        assert!(
            least <= self.missed && self.missed <= most,
            "{:?}: told {} missing, of {least} to {most}",
            self.lag,
            self.missed
        );
    }

    /// The publisher's events up to this one are missing.
    fn lack(&mut self, publisher: usize, number: u64) {
        let (least, most) = if let Some(next) = self.next[publisher] {
            assert!(next <= number, "{publisher}: {number} where {next} was due");
            (number - next, number - next)
        } else {
            let done = self.done[publisher];
            assert!(
                done <= number,
                "{number} was published before it subscribed"
            );
            (number.saturating_sub(self.begun[publisher]), number - done)
        };
        // What may have been left out need not have been missed.
        let from = number - least;
        self.lacks.0 += least - (self.expiring.below(number) - self.expiring.below(from));
        self.lacks.1 += most;
    }
}
