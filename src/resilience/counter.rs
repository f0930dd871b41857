use std::cell::Cell;

use super::sync::{Apart, AtomicU64, Ordering};

/// How many parts a count has; threads that share one share its cache line. One where loom has to try what
/// happens in all of them.
pub(super) const STRIPES: usize = if cfg!(all(test, algedonic_loom)) {
    1
} else {
    8
};

/// A count that threads add to without waiting for one another: each has a part of its own.
#[derive(Debug, Default)]
pub(super) struct Counter([Apart<AtomicU64>; STRIPES]);

impl Counter {
    #[inline]
    pub(super) fn add(&self, number: u64) {
        self.0[stripe()].fetch_add(number, Ordering::Relaxed);
    }

    /// What was added until now, by whoever did so before.
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|part| part.load(Ordering::Relaxed)).sum()
    }
}

/// The part of this thread.
#[inline]
pub(super) fn stripe() -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        mine.get()
    })
}

/// Counts what comes in storms, and says when to tell of it: at once, then at most once in an interval, with
/// the number of all that nobody was told of. Nothing is told twice, and nothing is lost: what is
/// left at the end of a storm is told with the first of the next, or [drained](Self::drain).
#[derive(Debug, Default)]
pub(super) struct Coalesced {
    all: Counter,
    told: AtomicU64,
    /// When to tell again, in nanoseconds.
    next: AtomicU64,
}

impl Coalesced {
    #[inline]
    pub(super) fn add_one(&self) {
        self.all.add(1);
    }

    /// How many are to be told of, if it is time.
    pub(super) fn due(&self, now: u64, interval: u64) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        if now < next {
            return None;
        }
        let later = now.saturating_add(interval);
        self.next
            .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
            .ok()
            .and_then(|_| self.drain())
    }

    /// How many nobody was told of, if any.
    pub(super) fn drain(&self) -> Option<u64> {
        let all = self.all.sum();
        let told = self.told.fetch_max(all, Ordering::Relaxed);
        all.checked_sub(told).filter(|&untold| untold > 0)
    }

    /// All that were counted.
    pub(super) fn sum(&self) -> u64 {
        self.all.sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A storm of n gives at most one notice for each interval begun, and their counts sum to n.
        #[test]
        fn he_4_a_storm_is_told_once_an_interval_and_nothing_is_lost(
            steps in prop::collection::vec(0_u64..50, 1..200),
            interval in 1_u64..200,
        ) {
            let coalesced = Coalesced::default();
            let (mut now, mut told, mut notices) = (0, 0, 0);
            for step in &steps {
                now += step;
                coalesced.add_one();
                if let Some(count) = coalesced.due(now, interval) {
                    told += count;
                    notices += 1;
                }
            }
            prop_assert!(notices <= now / interval + 1, "{notices} in {now}");
            told += coalesced.drain().unwrap_or(0);
            prop_assert_eq!(told, steps.len() as u64);
            prop_assert_eq!(coalesced.sum(), told);
            prop_assert_eq!(coalesced.drain(), None);
        }
    }
}
