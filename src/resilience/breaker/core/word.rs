use crate::resilience::breaker::State;

/// All that a call has to read: `[phase: 3][probes: 11][count: 11][generation: 39]`.
///
/// `count` is of consecutive failures while closed, of successful probes while half-open; by a rate over calls, 0 while
/// closed says that all of the last ones were good. A generation
/// is one state from its beginning to its end; there are 5 * 10^11 before they repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

/// A state, as the core knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    Closed,
    Disabled,
    ForcedOpen,
    HalfOpen,
    Open,
    /// Closed, and not yet all calls are admitted.
    Ramp,
}

/// The largest number of probes, and the largest count.
pub(in crate::resilience::breaker) const MOST: u32 = (1 << FIELD) - 1;

const GENERATION: u32 = 39;
const FIELD: u32 = 11;
const COUNT_AT: u32 = GENERATION;
const PROBES_AT: u32 = COUNT_AT + FIELD;
const PHASE_AT: u32 = PROBES_AT + FIELD;

impl Word {
    pub(super) const fn new(phase: Phase, generation: u64) -> Self {
        Self((phase as u64) << PHASE_AT | generation & mask(GENERATION))
    }

    #[inline]
    pub(super) const fn phase(self) -> Phase {
        match self.0 >> PHASE_AT {
            0 => Phase::Closed,
            1 => Phase::Disabled,
            2 => Phase::ForcedOpen,
            3 => Phase::HalfOpen,
            4 => Phase::Open,
            _ => Phase::Ramp,
        }
    }

    /// Closed or disabled.
    #[inline]
    pub(super) const fn admits_all(self) -> bool {
        self.0 >> PHASE_AT <= Phase::Disabled as u64
    }

    #[inline]
    pub(super) const fn is_closed(self) -> bool {
        self.0 >> PHASE_AT == Phase::Closed as u64
    }

    pub(super) const fn with_phase(self, phase: Phase) -> Self {
        self.with(PHASE_AT, 3, phase as u64)
    }

    pub(super) const fn probes(self) -> u64 {
        self.0 >> PROBES_AT & mask(FIELD)
    }

    pub(super) const fn with_probes(self, probes: u64) -> Self {
        self.with(PROBES_AT, FIELD, probes)
    }

    #[inline]
    pub(super) const fn count(self) -> u64 {
        self.0 >> COUNT_AT & mask(FIELD)
    }

    pub(super) const fn with_count(self, count: u64) -> Self {
        self.with(COUNT_AT, FIELD, count)
    }

    #[inline]
    pub(super) const fn generation(self) -> u64 {
        self.0 & mask(GENERATION)
    }

    const fn with(self, at: u32, bits: u32, value: u64) -> Self {
        debug_assert!(value <= mask(bits));
        Self(self.0 & !(mask(bits) << at) | value << at)
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

impl From<u64> for Word {
    #[inline]
    fn from(word: u64) -> Self {
        Self(word)
    }
}

impl From<Word> for u64 {
    fn from(word: Word) -> Self {
        word.0
    }
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Closed | Phase::Ramp => Self::Closed,
            Phase::Disabled => Self::Disabled,
            Phase::ForcedOpen => Self::ForcedOpen,
            Phase::HalfOpen => Self::HalfOpen,
            Phase::Open => Self::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_do_not_touch_each_other(
            probes in 0..=u64::from(MOST), count in 0..=u64::from(MOST), generation in 0_u64..1 << GENERATION,
        ) {
            for phase in [
                Phase::Closed, Phase::Disabled, Phase::ForcedOpen, Phase::HalfOpen, Phase::Open, Phase::Ramp,
            ] {
                let word = Word::new(Phase::Open, generation).with_count(count).with_probes(probes).with_phase(phase);
                prop_assert_eq!(
                    (word.phase(), word.probes(), word.count(), word.generation()),
                    (phase, probes, count, generation)
                );
                prop_assert_eq!(word.is_closed(), phase == Phase::Closed);
                prop_assert_eq!(word.admits_all(), matches!(phase, Phase::Closed | Phase::Disabled));
                let word = word.with_probes(0).with_count(0);
                prop_assert_eq!(word, Word::new(phase, generation));
            }
        }
    }
}
