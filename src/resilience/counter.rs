use std::{
    cell::Cell,
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire},
    },
};

use super::sync::{Apart, AtomicU64, Ordering};

/// How many parts a count has; threads that share one share its cache line. One where loom has to try what
/// happens in all of them.
pub(super) const STRIPES: usize = if cfg!(all(test, algedonic_loom)) {
    1
} else {
    8
};

/// A count that threads add to without waiting for one another.
#[derive(Debug, Default)]
pub(super) struct Counter([Apart<Part>; STRIPES]);

#[derive(Debug, Default)]
struct Part {
    /// Written by one thread at a time, so that it adds without a locked instruction: that is most of what counting costs.
    own: AtomicU64,
    /// Of all threads for which there is no part of their own.
    shared: AtomicU64,
}

impl Counter {
    #[inline]
    pub(super) fn add(&self, number: u64) {
        let place = place();
        match self.0.get(place) {
            Some(part) => {
                let before = part.own.load(Ordering::Relaxed);
                part.own.store(before + number, Ordering::Relaxed);
            }
            None => self.add_shared(place, number),
        }
    }

    #[cold]
    fn add_shared(&self, place: usize, number: u64) {
        let part = &self.0[place % STRIPES];
        part.shared.fetch_add(number, Ordering::Relaxed);
    }

    /// What was added until now, by whoever did so before.
    pub(super) fn sum(&self) -> u64 {
        let parts = self.0.iter().flat_map(|part| [&part.own, &part.shared]);
        parts.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// The stripe of this thread.
#[inline]
pub(super) fn stripe() -> usize {
    place() % STRIPES
}

thread_local! {
    /// Not known yet: `usize::MAX`.
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
    static OWNER: Owner = const { Owner(Cell::new(None)) };
}

/// Which part is this thread's: below [`STRIPES`] its own, for as long as it lives; else one that it shares, modulo
/// [`STRIPES`].
#[inline]
fn place() -> usize {
    match PLACE.get() {
        usize::MAX => find_place(),
        place => place,
    }
}

/// The parts that threads own, a bit for each.
static OWNED: AtomicUsize = AtomicUsize::new(0);

/// Lets go of what this thread owns, when it ends.
struct Owner(Cell<Option<usize>>);

#[cold]
fn find_place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let place = own().unwrap_or_else(|| STRIPES + NEXT.fetch_add(1, AcqRel) % STRIPES);
    PLACE.set(place);
    place
}

/// A part for this thread alone, if one is left.
fn own() -> Option<usize> {
    // Loom's threads are one to `thread_local`.
    if cfg!(all(test, algedonic_loom)) {
        return None;
    }
    // What the last owner has counted happened before: it let go by a release, and this acquires.
    let free =
        |owned: usize| Some(owned | 1 << owned.trailing_ones()).filter(|all| *all < 1 << STRIPES);
    let before = OWNED.fetch_update(AcqRel, Acquire, free).ok()?;
    let place = before.trailing_ones() as usize;
    // None while the thread ends: then nobody would let go.
    if OWNER.try_with(|owner| owner.0.set(Some(place))).is_err() {
        OWNED.fetch_and(!(1 << place), AcqRel);
        return None;
    }
    Some(place)
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(place) = self.0.take() {
            // What is counted from now on, by the destructors of others, goes to a part that is shared.
            PLACE.set(STRIPES + place);
            OWNED.fetch_and(!(1 << place), AcqRel);
        }
    }
}

/// Counts what comes in storms, and says when to tell of it: at once, then at most once in an interval, with
/// the number of all that nobody was told of. Nothing is told twice, and nothing is lost: what is
/// left at the end of a storm is told to who asks for the [rest](Self::rest), or with the first of the next.
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

    /// How many nobody was told of, if any, once it is over: whatever comes then is due by itself. And by when they
    /// came.
    pub(super) fn rest(&self, now: u64, interval: u64) -> Option<(u64, u64)> {
        let by = self.next.load(Ordering::Relaxed);
        // Without a rest nothing is told, and the first of the next storm is told at once.
        let is_rest = now >= by && self.all.sum() > self.told.load(Ordering::Relaxed);
        let count = is_rest.then(|| self.due(now, interval)).flatten()?;
        Some((count, by))
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
            steps in prop::collection::vec((0_u64..50, any::<bool>()), 1..200),
            interval in 1_u64..200,
        ) {
            let coalesced = Coalesced::default();
            let (mut now, mut told, mut notices, mut last) = (0, 0, 0, 0);
            for &(step, asks) in &steps {
                now += step;
                // Somebody asks for the rest before there is more.
                if let Some((count, by)) = asks.then(|| coalesced.rest(now, interval)).flatten() {
                    prop_assert!(last <= by && by <= now, "{last} by {by}, {now}");
                    told += count;
                    notices += 1;
                }
                coalesced.add_one();
                last = now;
                if let Some(count) = coalesced.due(now, interval) {
                    told += count;
                    notices += 1;
                }
            }
            prop_assert!(notices <= now / interval + 1, "{notices} in {now}");
            let rest = coalesced.rest(now + interval, interval);
            told += rest.map_or(0, |(count, _)| count);
            prop_assert_eq!(told, steps.len() as u64);
            prop_assert_eq!(coalesced.sum(), told);
            prop_assert_eq!(coalesced.drain(), None);
        }
    }

    /// More threads than there are parts, and one generation after another: who owns a part has it alone.
    #[test]
    fn nothing_is_lost_whoever_counts() {
        use std::thread;

        const THREADS: u64 = 3 * STRIPES as u64;
        const EACH: u64 = 2_000;
        let counter = Counter::default();
        for generation in 1..=20 {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| (0..EACH).for_each(|_| counter.add(1)));
                }
            });
            assert_eq!(counter.sum(), generation * THREADS * EACH);
        }
    }
}
