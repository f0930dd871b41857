use crate::local::log::Ticks;

/// How often a reader looks whether publishers wait for it.
///
/// Each look may wake one, which costs both of them more than many entries. So a reader that is quick lets
/// them wait for a quarter of its buffer; one that is slow, for about [`PATIENCE`]; and one with a [`SMALL`]
/// buffer, not at all.
pub(super) struct Pace {
    /// How many entries it reads between two looks.
    step: u64,
    longest: u64,
    /// The number of the entry before which it looks.
    next: u64,
    /// The last look, unless it slept meanwhile.
    last: Option<Ticks>,
}

/// A buffer of fewer entries.
const SMALL: u64 = 64;

/// Between two looks: 13 µs at 3 GHz.
const PATIENCE: u64 = 40_000;

impl Pace {
    /// For a reader at this entry, that has room for so many; none if nobody waits for it, ever.
    pub(super) fn new(at: u64, room: Option<u64>) -> Self {
        Self {
            step: room.map_or(u64::MAX, |_| 1),
            longest: match room {
                None => u64::MAX,
                Some(..SMALL) => 1,
                Some(room) => room / 4,
            },
            next: if room.is_some() { at } else { u64::MAX },
            last: None,
        }
    }

    /// The number of the entry before which it looks.
    #[inline]
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// It looks, before this entry.
    pub(super) fn look(&mut self, at: u64) {
        let now = Ticks::now();
        if let Some(last) = self.last {
            let elapsed = now.since(last).max(1);
            let step = self.step.saturating_mul(PATIENCE) / elapsed;
            self.step = step.clamp(1, self.longest);
        }
        self.last = Some(now);
        self.next = at.saturating_add(self.step);
    }

    /// It has read all there is, and sleeps.
    pub(super) fn rest(&mut self, at: u64) {
        self.last = None;
        self.next = at.saturating_add(self.step);
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    #[test]
    fn a_slow_reader_looks_at_every_entry_and_a_quick_one_seldom() {
        let mut pace = Pace::new(0, Some(1_024));
        let mut at = 0;
        // Whatever else the machine does, some of so many are quick.
        let longest = (0..1_000).map(|_| {
            at = pace.next();
            pace.look(at);
            pace.next() - at
        });
        assert_eq!(longest.max(), Some(256));
        at = pace.next();
        thread::sleep(Duration::from_millis(50));
        pace.look(at);
        assert_eq!(pace.next() - at, 1);
    }

    #[test]
    fn a_reader_with_a_small_buffer_looks_at_every_entry() {
        let mut pace = Pace::new(0, Some(63));
        for at in 0..100 {
            assert_eq!(pace.next(), at);
            pace.look(at);
        }
    }

    #[test]
    fn a_reader_that_makes_nobody_wait_never_looks() {
        assert_eq!(Pace::new(7, None).next(), u64::MAX);
    }
}
