use std::time::Duration;

use proptest::prelude::*;

use crate::resilience::breaker::{BreakerConfig, OnCancel, Outcome, Slow, Trip};

/// What can happen to a breaker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Call,
    /// One of the calls under way ends.
    Finish(usize, Outcome, bool),
    /// Time passes, in nanoseconds.
    Tick(u64),
    Disable,
    ForceOpen,
    Reset,
}

/// Cases of each property.
pub(super) const CASES: u32 = 2_000;

pub(super) const MILLI: u64 = 1_000_000;

pub(super) fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Failure),
        3 => Just(Outcome::Success),
        1 => Just(Outcome::Ignore),
    ]
}

/// Times of the size that [`configs`] has, and those just beside.
pub(super) fn tick() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 0_u64..3,
        3 => (1_u64..5).prop_map(|n| n * MILLI),
        3 => (1_u64..30, 0_u64..3).prop_map(|(n, more)| n * MILLI + more - 1),
        1 => 0_u64..120 * MILLI,
    ]
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let finish = (any::<usize>(), outcome(), prop::bool::weighted(0.2));
    prop_oneof![
        8 => Just(Step::Call),
        8 => finish.prop_map(|(call, outcome, slow)| Step::Finish(call, outcome, slow)),
        4 => tick().prop_map(Step::Tick),
    ]
}

/// With what a person may do.
pub(super) fn step_or_control() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => step(),
        1 => Just(Step::Disable),
        1 => Just(Step::ForceOpen),
        2 => Just(Step::Reset),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..80)
}

pub(super) fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(1.0),
        (1_u32..100).prop_map(|percent| f64::from(percent) / 100.0)
    ]
}

pub(super) fn slow() -> impl Strategy<Value = Option<Slow>> {
    prop::option::of(rate().prop_map(|rate| Slow {
        duration: Duration::from_millis(3),
        rate,
    }))
}

pub(super) fn trip() -> impl Strategy<Value = Trip> {
    let window = (10_u64..60, 0_u64..3)
        .prop_map(|(millis, nanos)| Duration::from_nanos(millis * MILLI + nanos));
    prop_oneof![
        (1_u32..6).prop_map(|failure_threshold| Trip::Consecutive { failure_threshold }),
        (1_u32..6, window.clone()).prop_map(|(failure_threshold, window)| Trip::Failures {
            failure_threshold,
            window
        }),
        (1_u32..12, rate(), any::<u32>(), slow()).prop_map(
            |(calls, failure_rate, minimum, slow)| {
                Trip::RateOfCalls {
                    calls,
                    failure_rate,
                    minimum_calls: minimum % calls + 1,
                    slow,
                }
            }
        ),
        (window, rate(), 1_u32..8, 1_u32..4, slow()).prop_map(
            |(window, failure_rate, minimum_calls, minimum_failures, slow)| Trip::RateInWindow {
                window,
                failure_rate,
                minimum_calls,
                minimum_failures,
                slow,
            }
        ),
    ]
}

/// Configurations that open and close within a few steps; without jitter and ramp.
pub(super) fn configs() -> impl Strategy<Value = BreakerConfig> {
    let times = (1_u64..30, 1_u64..30);
    let probes = (1_u32..4, 1_u32..4);
    let backoff = prop_oneof![3 => Just(1.0), 1 => Just(2.0)];
    let on_cancel = prop_oneof![
        Just(OnCancel::Ignore),
        Just(OnCancel::Failure),
        (1_u64..10).prop_map(|n| OnCancel::FailureIfOlderThan(Duration::from_millis(n))),
    ];
    (trip(), times, probes, backoff, on_cancel).prop_map(
        |(trip, (reset, half_open), (successes, permits), multiplier, on_cancel)| {
            let config = BreakerConfig::default()
                .trip(trip)
                .reset_timeout(Duration::from_millis(reset))
                .half_open_timeout(Duration::from_millis(half_open))
                .success_threshold(successes)
                .half_open_permits(permits)
                .reset_backoff(multiplier, Duration::from_millis(100))
                .reset_jitter(0.0)
                .on_cancel(on_cancel);
            config.validate().expect("good");
            config
        },
    )
}
