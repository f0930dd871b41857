use std::num::NonZeroU64;

use crate::local::sync::{AtomicU64, Ordering};

/// The order of events over several lanes: which lane published last, and how often that has changed.
///
/// A publisher looks at it while it holds its lane's lock, and changes it only if the last one was another lane: to publish
/// much of one type costs a look. What it finds or writes is the event's [`Stamp`]. If one publish has ended
/// before another begins, in whatever way they are known to be so, the first has the earlier stamp, or both are of one lane
/// and have the same; then the lane's own order says the rest:
///
/// - All changes of the one number follow one another, and it only grows (it may wrap; nobody compares stamps that
///   are so far apart). Who comes later sees the same change or a later one, even by a relaxed load.
/// - Each value names the lane that wrote it, and only publishes of that lane have it as their stamp. Two that differ in
///   the lane differ in the stamp.
#[repr(align(128))]
pub(crate) struct Sequencer(AtomicU64);

/// The place of an event in the order over lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(NonZeroU64);

/// The lowest bits say the lane.
const LANE: u64 = (1 << 20) - 1;

/// The number of a lane among those that have one order; from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(NonZeroU64);

impl Number {
    /// # Panics
    ///
    /// When there are more than a million lanes.
    pub(crate) fn of(index: usize) -> Self {
        let number = NonZeroU64::MIN.saturating_add(index as u64);
        assert!(number.get() <= LANE, "at most a million types are mirrored");
        Self(number)
    }
}

impl Sequencer {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// The stamp of the next event of this lane, whose lock the caller holds.
    #[inline]
    pub(crate) fn stamp(&self, lane: Number) -> Stamp {
        let last = self.0.load(Ordering::Relaxed);
        if last & LANE == lane.0.get() {
            Stamp(lane.0 | last)
        } else {
            self.change(lane, last)
        }
    }

    #[inline(never)]
    fn change(&self, lane: Number, mut last: u64) -> Stamp {
        loop {
            let next = lane.0 | (last & !LANE).wrapping_add(LANE + 1);
            let change = self.0.compare_exchange_weak(
                last,
                next.get(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match change {
                Ok(_) => return Stamp(next),
                Err(other) => last = other,
            }
        }
    }
}

impl Stamp {
    /// Of an event that has no place in the order.
    pub(crate) fn none(lane: Number) -> Self {
        Self(lane.0)
    }

    #[inline]
    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }

    /// One that was noted; 0 is none.
    #[inline]
    pub(crate) fn again(noted: u64) -> Option<Self> {
        NonZeroU64::new(noted).map(Self)
    }

    pub(super) fn is_before(self, other: Self) -> bool {
        self.get().wrapping_sub(other.get()) > u64::MAX / 2
    }
}

#[cfg(all(test, not(algedonic_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_counts_the_changes_of_the_lane_and_goes_on_after_its_end() {
        let sequencer = Sequencer(AtomicU64::new(!LANE));
        let [one, other] = [0, 1].map(Number::of);
        let stamps: Vec<_> = [one, one, other, one, one]
            .map(|lane| sequencer.stamp(lane))
            .to_vec();
        assert_eq!(stamps[0], stamps[1]);
        assert_eq!(stamps[3], stamps[4]);
        assert!(stamps[1].is_before(stamps[2]) && stamps[2].is_before(stamps[3]));
        assert!(!stamps[2].is_before(stamps[1]) && !stamps[0].is_before(stamps[1]));
    }
}
