use super::settings::Tally;
use crate::resilience::{
    breaker::Trip,
    clock::nanos,
    counter::{STRIPES, stripe},
    sync::{Apart, AtomicU64, Ordering},
};

/// Into so many parts a window of time is divided: the oldest is forgotten as a whole.
pub(in crate::resilience::breaker) const PARTS: u32 = 10;

/// Counts calls in a window of time: in ten buckets, each for a tenth of it, and for each thread apart.
///
/// Nothing is ever emptied. A count carries the number of its time slot, and one from another slot counts as
/// nothing. Each generation has slot numbers out of the reach of the generation before, so that a call of an
/// older generation, however late its thread comes, is not counted in a newer.
#[derive(Debug)]
pub(in crate::resilience) struct Buckets {
    /// Nanoseconds of one bucket.
    length: u64,
    stripes: Box<[Apart<[Bucket; PARTS as usize]>]>,
}

#[derive(Debug, Default)]
struct Bucket {
    calls: Count,
    failures: Count,
    slow: Count,
}

/// `[slot: 36][count: 28]`. After 2.6 * 10^8 calls in one bucket the rest of them is not counted.
#[derive(Debug, Default)]
struct Count(AtomicU64);

const BITS: u32 = 28;
const FULL: u64 = (1 << BITS) - 1;
const SLOTS: u64 = (1 << (u64::BITS - BITS)) - 1;

impl Buckets {
    pub(in crate::resilience) fn of(trip: &Trip) -> Option<Self> {
        let Trip::RateInWindow { window, .. } = trip else {
            return None;
        };
        Some(Self {
            length: nanos(*window).div_ceil(u64::from(PARTS)).max(1),
            stripes: (0..STRIPES).map(|_| Apart::default()).collect(),
        })
    }

    pub(in crate::resilience) fn record(
        &self,
        generation: u64,
        now: u64,
        failed: bool,
        was_slow: bool,
    ) {
        let slot = self.slot(generation, now);
        let at = usize::try_from(slot % u64::from(PARTS)).unwrap_or(0);
        let bucket = &self.stripes[stripe()][at];
        let counted = bucket.calls.add(slot);
        // Where the calls are full their rate stays as it is.
        if counted && failed {
            bucket.failures.add(slot);
        }
        if counted && was_slow {
            bucket.slow.add(slot);
        }
    }

    /// What was recorded in this generation, from at most a window ago and at least nine tenths of it.
    pub(in crate::resilience) fn tally(&self, generation: u64, now: u64) -> Tally {
        let slot = self.slot(generation, now);
        let mut tally = Tally::default();
        for bucket in self.stripes.iter().flat_map(|stripe| stripe.iter()) {
            tally.calls += bucket.calls.within(slot);
            tally.failures += bucket.failures.within(slot);
            tally.slow += bucket.slow.within(slot);
        }
        tally
    }

    const fn slot(&self, generation: u64, now: u64) -> u64 {
        let generations = generation.wrapping_mul(PARTS as u64 + 1);
        (now / self.length).wrapping_add(generations) & SLOTS
    }
}

impl Count {
    /// Whether there was room, and the slot was not over.
    #[inline]
    fn add(&self, slot: u64) -> bool {
        let mut held = self.0.load(Ordering::Relaxed);
        loop {
            let next = match held & FULL {
                count if held >> BITS == slot => {
                    if count == FULL {
                        return false;
                    }
                    held + 1
                }
                count if count > 0 && is_before(slot, held >> BITS) => return false,
                _ => slot << BITS | 1,
            };
            match self
                .0
                .compare_exchange_weak(held, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(other) => held = other,
            }
        }
    }

    /// What it holds, if that is of one of the slots that end with this one.
    fn within(&self, slot: u64) -> u64 {
        let held = self.0.load(Ordering::Relaxed);
        let age = slot.wrapping_sub(held >> BITS) & SLOTS;
        if age < u64::from(PARTS) {
            held & FULL
        } else {
            0
        }
    }
}

/// Slot numbers come round again after two years at the least.
const fn is_before(slot: u64, other: u64) -> bool {
    other.wrapping_sub(slot) & SLOTS <= SLOTS / 2
}
