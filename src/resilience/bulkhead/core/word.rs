/// All that decides about a call: `[limit: 21][waiting: 21][running: 21]`, and a bit to spare.
///
/// The limit is in it so that a call is admitted below the limit of that moment, however it is resized
/// meanwhile. The running are at the low end: one that ends subtracts 1 from the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const FIELD: u32 = 21;
const WAITING_AT: u32 = FIELD;
const LIMIT_AT: u32 = 2 * FIELD;
const MASK: u64 = (1 << FIELD) - 1;

/// The largest number of each.
pub(in crate::resilience::bulkhead) const MOST: u32 = (1 << FIELD) - 1;

impl Word {
    pub(super) const fn new(limit: u64) -> Self {
        Self(0).with_limit(limit)
    }

    #[inline]
    pub(super) const fn running(self) -> u64 {
        self.0 & MASK
    }

    #[inline]
    pub(super) const fn waiting(self) -> u64 {
        self.0 >> WAITING_AT & MASK
    }

    #[inline]
    pub(super) const fn limit(self) -> u64 {
        self.0 >> LIMIT_AT & MASK
    }

    /// Whether a slot is free.
    #[inline]
    pub(super) const fn has_room(self) -> bool {
        self.running() < self.limit()
    }

    /// Whether a call that comes now has a slot: nobody overtakes those who wait.
    #[inline]
    pub(super) const fn admits(self) -> bool {
        self.waiting() == 0 && self.has_room()
    }

    #[inline]
    pub(super) const fn one_more_running(self) -> Self {
        Self(self.0 + 1)
    }

    pub(super) const fn one_more_waiting(self) -> Self {
        Self(self.0 + (1 << WAITING_AT))
    }

    pub(super) const fn one_less_waiting(self) -> Self {
        Self(self.0 - (1 << WAITING_AT))
    }

    pub(super) const fn with_limit(self, limit: u64) -> Self {
        debug_assert!(limit <= MASK);
        Self(self.0 & !(MASK << LIMIT_AT) | limit << LIMIT_AT)
    }
}

impl From<u64> for Word {
    #[inline]
    fn from(word: u64) -> Self {
        Self(word)
    }
}

impl From<Word> for u64 {
    #[inline]
    fn from(word: Word) -> Self {
        word.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_do_not_touch_each_other(
            limit in 0..=u64::from(MOST), waiting in 1..100_u64, running in 0..100_u64, other in 0..=u64::from(MOST),
        ) {
            let mut word = Word::new(limit);
            for _ in 0..waiting {
                word = word.one_more_waiting();
            }
            for _ in 0..running {
                word = word.one_more_running();
            }
            prop_assert_eq!((word.limit(), word.waiting(), word.running()), (limit, waiting, running));
            prop_assert_eq!(word.has_room(), running < limit);
            prop_assert!(!word.admits());
            let word = word.with_limit(other).one_less_waiting();
            prop_assert_eq!((word.limit(), word.waiting(), word.running()), (other, waiting - 1, running));
            prop_assert_eq!(word.admits(), waiting == 1 && running < other);
        }
    }
}
