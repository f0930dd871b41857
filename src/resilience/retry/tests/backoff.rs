use std::time::Duration;

use proptest::prelude::*;

use crate::resilience::{
    probe::CASES,
    random::Randoms,
    retry::{
        Jitter, RetryConfig,
        core::backoff::{Backoff, Progress},
    },
};

const SECOND: u64 = 1_000_000_000;

pub(super) fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::Decorrelated),
        Just(Jitter::Full),
        Just(Jitter::Half),
        Just(Jitter::None),
    ]
}

/// Any that is valid.
fn configs() -> impl Strategy<Value = RetryConfig> {
    const LONGEST: u64 = (1 << 40) - 1;
    let time = prop_oneof![1_u64..1_000, 1..=LONGEST];
    let multiplier = prop_oneof![1.0..4.0_f64, 1.0..1.000_001_f64, 1.0..f64::MAX];
    (time.clone(), time, multiplier, jitter()).prop_map(|(one, other, multiplier, jitter)| {
        let (first, longest) = (one.min(other), one.max(other));
        RetryConfig::default()
            .delays(Duration::from_millis(first), Duration::from_millis(longest))
            .multiplier(multiplier)
            .jitter(jitter)
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("below 2^40 ms")
}

/// The bound of the delay before each retry.
fn bounds(config: &RetryConfig, retries: usize) -> Vec<u64> {
    let plain = Backoff::from(&config.clone().jitter(Jitter::None));
    let mut progress = Progress::default();
    (0..retries).map(|_| plain.next(&mut progress, 0)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// Whatever the multiplier, and whatever was drawn. What a delay grows from is never less than the first and never
    /// more than the longest, so after any number of attempts it is as after these.
    #[test]
    fn rt_2_delays_keep_their_bounds(config in configs(), draws in prop::collection::vec(any::<u64>(), 1..100)) {
        config.validate().expect("valid");
        let (first, longest) = (nanos(config.first_delay), nanos(config.max_delay));
        let bounds = bounds(&config, draws.len());
        prop_assert_eq!(bounds[0], first);
        prop_assert!(bounds.is_sorted(), "they do not decrease: {:?}", bounds);
        prop_assert!(bounds.iter().all(|bound| (first..=longest).contains(bound)));
        let backoff = Backoff::from(&config);
        let mut progress = Progress::default();
        let mut last = first;
        for (draw, bound) in draws.into_iter().zip(bounds) {
            let delay = backoff.next(&mut progress, draw);
            match config.jitter {
                Jitter::None => prop_assert_eq!(delay, bound),
                Jitter::Full => prop_assert!(delay <= bound),
                Jitter::Half => prop_assert!((bound.div_ceil(2)..=bound).contains(&delay)),
                Jitter::Decorrelated => {
                    prop_assert!((first..=longest.min(last.saturating_mul(3))).contains(&delay));
                    last = delay;
                }
            }
        }
    }

    /// The ends of the range are reached, and never left.
    #[test]
    fn rt_2_the_smallest_and_the_largest_draw_are_the_ends(config in configs(), retries in 1_usize..40) {
        let backoff = Backoff::from(&config);
        let bounds = bounds(&config, retries);
        let (mut low, mut high) = (Progress::default(), Progress::default());
        for bound in bounds {
            let ends = (backoff.next(&mut low, 0), backoff.next(&mut high, u64::MAX));
            match config.jitter {
                Jitter::None => prop_assert_eq!(ends, (bound, bound)),
                Jitter::Full => prop_assert_eq!(ends, (0, bound)),
                Jitter::Half => prop_assert_eq!(ends, (bound, bound.div_ceil(2))),
                Jitter::Decorrelated => prop_assert_eq!(ends.0, nanos(config.first_delay)),
            }
        }
    }

    /// Two requests, from any seed: not one of a hundred delays is the same.
    #[test]
    fn rt_3_two_requests_draw_different_delays(seed: u64, decorrelated: bool) {
        let jitter = if decorrelated { Jitter::Decorrelated } else { Jitter::Full };
        let config = RetryConfig::default().jitter(jitter);
        let (backoff, random) = (Backoff::from(&config), Randoms::new(Some(seed)));
        let (mut one, mut other) = (Progress::default(), Progress::default());
        let mut same = 0;
        for _ in 0..100 {
            let delays = [&mut one, &mut other].map(|request| backoff.next(request, random.next()));
            same += u32::from(delays[0] == delays[1]);
        }
        // One in 10^8 is.
        prop_assert!(same <= 1);
    }
}

/// That of the requirements: 1 s, doubling to 30 s.
#[test]
fn rt_2_the_sequence_of_the_requirements() {
    let config = RetryConfig::default().delays(Duration::from_secs(1), Duration::from_secs(30));
    let seconds: Vec<_> = bounds(&config, 7)
        .iter()
        .map(|bound| bound / SECOND)
        .collect();
    assert_eq!(seconds, [1, 2, 4, 8, 16, 30, 30]);
    // After 1,025 doublings a factor in floating point is infinite.
    let later = bounds(&config, 5_000);
    assert!(later[5..].iter().all(|bound| *bound == 30 * SECOND));
}

/// Kolmogorov and Smirnov's test, with a seed that is kept: evenly distributed over the range, at the 1 % level.
#[test]
fn rt_3_jitter_is_uniform() {
    const DRAWS: u32 = 20_000;
    let first = 1_000_000.0;
    for (jitter, low, high) in [
        (Jitter::Full, 0.0, first),
        (Jitter::Half, first / 2.0, first),
        (Jitter::Decorrelated, first, 3.0 * first),
    ] {
        let config = RetryConfig::default()
            .jitter(jitter)
            .delays(Duration::from_millis(1), Duration::from_secs(1));
        let (backoff, random) = (Backoff::from(&config), Randoms::new(Some(7)));
        let mut draws: Vec<_> = (0..DRAWS)
            .map(|_| backoff.next(&mut Progress::default(), random.next()))
            .collect();
        draws.sort_unstable();
        let mut farthest: f64 = 0.0;
        for (index, draw) in (0_u32..).zip(draws) {
            let expected = (draw as f64 - low) / (high - low);
            for index in [index, index + 1] {
                farthest = farthest.max((f64::from(index) / f64::from(DRAWS) - expected).abs());
            }
        }
        let critical = 1.628 / f64::from(DRAWS).sqrt();
        assert!(farthest < critical, "{jitter:?}: {farthest} of {critical}");
    }
}

/// Threads that draw at once have no number twice.
#[test]
fn rt_3_no_two_threads_draw_the_same() {
    let random = Randoms::new(None);
    let draw = || (0..1_000).map(|_| random.next()).collect::<Vec<_>>();
    let draws = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(draw));
        threads.map(|thread| thread.join().expect("no panic"))
    });
    let mut draws = draws.concat();
    draws.sort_unstable();
    draws.dedup();
    assert_eq!(draws.len(), 4_000);
}
