use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// How often a handler tries one event, and how long it waits in between.
///
/// Before attempt `n + 1` it waits a random time between nothing and `first × 2^(n − 1)`, but
/// never more than the longest delay ("full jitter": handlers that failed together do not come
/// back together). [`Fail::retry_after`](crate::Fail::retry_after) sets a lower bound.
///
/// ```
/// # use std::time::Duration;
/// # use algedonic::Retry;
/// let retry = Retry::attempts(5).delays(Duration::from_millis(50), Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    first: Duration,
    longest: Duration,
    seed: Option<u64>,
}

impl Retry {
    /// One attempt, and no other: the default of a handler.
    pub const NEVER: Self = Self::attempts(1);

    /// At most so many attempts, the first one included; the delays are 100 ms at first, 30 s at
    /// the longest.
    ///
    /// # Panics
    ///
    /// When `attempts` is 0.
    pub const fn attempts(attempts: u32) -> Self {
        assert!(attempts > 0, "an event is attempted at least once");
        Self {
            attempts,
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            seed: None,
        }
    }

    /// The upper bound of the delay before the second attempt, which doubles from then on, and the
    /// longest that it may become.
    ///
    /// # Panics
    ///
    /// When `first` is longer than `longest`.
    pub const fn delays(mut self, first: Duration, longest: Duration) -> Self {
        assert!(
            first.as_nanos() <= longest.as_nanos(),
            "the first delay is at most the longest"
        );
        self.first = first;
        self.longest = longest;
        self
    }

    /// Makes the delays the same in every run, for tests; without it they differ.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::NEVER
    }
}

/// A policy at work, with its source of randomness (splitmix64: nothing secret hangs on it).
#[derive(Debug)]
pub(super) struct Backoff {
    policy: Retry,
    state: AtomicU64,
}

impl Backoff {
    pub(super) fn new(policy: Retry) -> Self {
        let seed = policy
            .seed
            .unwrap_or_else(|| RandomState::new().hash_one(0));
        Self {
            policy,
            state: AtomicU64::new(seed),
        }
    }

    /// The wait before the next attempt, after so many that failed; none if they were the last.
    pub(super) fn after(&self, attempts: u32, at_least: Duration) -> Option<Duration> {
        if attempts >= self.policy.attempts {
            return None;
        }
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        let limit = self
            .policy
            .first
            .saturating_mul(factor)
            .min(self.policy.longest);
        Some(self.up_to(limit).max(at_least))
    }

    /// A random time from nothing to `limit`.
    fn up_to(&self, limit: Duration) -> Duration {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let share = (u128::from(self.random()) * (u128::from(nanos) + 1)) >> 64;
        Duration::from_nanos(u64::try_from(share).unwrap_or(nanos))
    }

    fn random(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let before = self.state.fetch_add(STEP, Ordering::Relaxed);
        let mut z = before.wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_delay_keeps_its_bounds(
            seed: u64, attempts in 1_u32..100, first in 0_u64..1_000_000, more in 0_u64..1_000_000,
            at_least in 0_u64..2_000_000,
        ) {
            let (first, more) = (Duration::from_micros(first), Duration::from_micros(more));
            let longest = first + more;
            let at_least = Duration::from_micros(at_least);
            let backoff = Backoff::new(Retry::attempts(100).delays(first, longest).seed(seed));
            let delay = backoff.after(attempts, at_least).expect("not the last");
            let limit = first * 2_u32.saturating_pow(attempts - 1).min(1 << 21);
            prop_assert!(delay >= at_least);
            prop_assert!(delay <= limit.min(longest).max(at_least));
            prop_assert_eq!(backoff.after(100, at_least), None);
        }
    }

    #[test]
    fn one_seed_gives_one_sequence_and_none_gives_many() {
        let delays = |retry: Retry| {
            let backoff = Backoff::new(retry);
            (1..9)
                .map(|n| backoff.after(n, Duration::ZERO))
                .collect::<Vec<_>>()
        };
        let retry = Retry::attempts(9);
        assert_eq!(delays(retry.seed(7)), delays(retry.seed(7)));
        assert_ne!(delays(retry.seed(7)), delays(retry.seed(8)));
        assert_ne!(delays(retry), delays(retry));
    }

    #[test]
    fn the_longest_delay_may_be_beyond_all_measure() {
        let backoff = Backoff::new(Retry::attempts(u32::MAX).delays(Duration::MAX, Duration::MAX));
        assert!(backoff.after(u32::MAX - 1, Duration::ZERO).is_some());
    }
}
