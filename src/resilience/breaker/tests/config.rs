use std::time::Duration;

use proptest::prelude::*;

use super::steps::{CASES, configs};
use crate::resilience::breaker::{BreakerConfig, BreakerLayer, OnCancel, Slow, Trip};

/// Any number that a file may hold.
fn any_trip() -> impl Strategy<Value = Trip> {
    let slow = || {
        prop::option::of((any::<u64>(), any::<f64>()).prop_map(|(nanos, rate)| Slow {
            duration: Duration::from_nanos(nanos),
            rate,
        }))
    };
    let small = prop_oneof![0_u32..20, any::<u32>()];
    prop_oneof![
        any::<u32>().prop_map(|failure_threshold| Trip::Consecutive { failure_threshold }),
        (small.clone(), any::<u64>()).prop_map(|(failure_threshold, window)| Trip::Failures {
            failure_threshold,
            window: Duration::from_nanos(window),
        }),
        (small.clone(), any::<f64>(), small, slow()).prop_map(
            |(calls, failure_rate, minimum_calls, slow)| Trip::RateOfCalls {
                calls,
                failure_rate,
                minimum_calls,
                slow,
            }
        ),
        (
            any::<u64>(),
            0.0..2.0_f64,
            any::<u32>(),
            any::<u32>(),
            slow()
        )
            .prop_map(
                |(window, failure_rate, minimum_calls, minimum_failures, slow)| {
                    Trip::RateInWindow {
                        window: Duration::from_nanos(window),
                        failure_rate,
                        minimum_calls,
                        minimum_failures,
                        slow,
                    }
                }
            ),
    ]
}

fn any_config() -> impl Strategy<Value = BreakerConfig> {
    let count = || prop_oneof![0_u32..5, any::<u32>()];
    let float = || prop_oneof![0.0..3.0_f64, any::<f64>()];
    let time =
        || prop_oneof![Just(0), 1_u64..1_000_000_000, any::<u64>()].prop_map(Duration::from_millis);
    let on_cancel = prop_oneof![
        Just(OnCancel::Ignore),
        Just(OnCancel::Failure),
        time().prop_map(OnCancel::FailureIfOlderThan),
    ];
    (
        any_trip(),
        count(),
        count(),
        time(),
        time(),
        float(),
        time(),
        float(),
        prop::option::of(time()),
        on_cancel,
    )
        .prop_map(
            |(
                trip,
                successes,
                permits,
                half_open,
                reset,
                multiplier,
                most,
                jitter,
                ramp,
                on_cancel,
            )| {
                let mut config = BreakerConfig::default()
                    .trip(trip)
                    .success_threshold(successes)
                    .half_open_permits(permits)
                    .half_open_timeout(half_open)
                    .reset_timeout(reset)
                    .reset_backoff(multiplier, most)
                    .reset_jitter(jitter)
                    .on_cancel(on_cancel);
                config.ramp = ramp;
                config
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(config in any_config()) {
        match BreakerLayer::new(config.clone()) {
            Err(error) => {
                prop_assert_eq!(error.component(), "breaker");
                prop_assert!(!error.field().is_empty() && !error.rule().is_empty());
            }
            Ok(breaker) => {
                let breaker = breaker.handle();
                for _ in 0..3 {
                    drop(breaker.call(std::future::pending::<Result<(), String>>));
                    let _ = breaker.call_blocking(|| Err::<(), _>("planted"));
                    let _ = breaker.call_blocking(|| Ok::<_, String>(()));
                }
                prop_assert_eq!(breaker.config(), &config);
            }
        }
    }

    #[test]
    fn tc_7_a_configuration_is_read_as_it_was_written(config in configs(), ramp in prop::option::of(1_u64..1000)) {
        let mut config = config;
        config.ramp = ramp.map(Duration::from_millis);
        let text = serde_json::to_string(&config).expect("written");
        let read: BreakerConfig = serde_json::from_str(&text).expect("read");
        prop_assert_eq!(&read, &config, "{}", text);
        let mut bytes = Vec::new();
        ciborium::into_writer(&config, &mut bytes).expect("written");
        let read: BreakerConfig = ciborium::from_reader(&*bytes).expect("read");
        prop_assert_eq!(&read, &config);
    }
}

/// Requirement 1.07.
#[test]
fn the_defaults_are_those_of_the_requirements() {
    let config = BreakerConfig::default();
    let expected = Trip::Failures {
        failure_threshold: 5,
        window: Duration::from_secs(60),
    };
    assert_eq!(config.trip, expected);
    assert_eq!(config.success_threshold, 3);
    assert_eq!(config.reset_timeout, Duration::from_secs(60));
    assert_eq!(config.half_open_timeout, Duration::from_secs(30));
}

#[test]
fn a_file_may_hold_what_differs_only_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<BreakerConfig>(text);
    let config = read(
        r#"{"reset_timeout": "2m", "trip": {"rule": "consecutive", "failure_threshold": 3},
            "on_cancel": {"failure_if_older_than": 30000}}"#,
    );
    let expected = BreakerConfig::default()
        .trip(Trip::Consecutive {
            failure_threshold: 3,
        })
        .reset_timeout(Duration::from_secs(120))
        .on_cancel(OnCancel::FailureIfOlderThan(Duration::from_secs(30)));
    assert_eq!(config.expect("good"), expected);
    for unknown in [
        r#"{"reset_timeuot": "2m"}"#,
        r#"{"trip": {"rule": "consecutive", "failure_threshold": 3, "window": "1s"}}"#,
        r#"{"trip": {"rule": "moody"}}"#,
    ] {
        read(unknown).expect_err(unknown);
    }
}

#[test]
fn an_error_names_the_field_its_value_and_the_rule() {
    let error = |config: BreakerConfig| config.validate().expect_err("refused").to_string();
    assert_eq!(
        error(BreakerConfig::default().success_threshold(0)),
        "breaker: success_threshold is 0, and must be 1 to 2,047"
    );
    assert_eq!(
        error(BreakerConfig::default().reset_backoff(2.0, Duration::from_secs(1))),
        "breaker: reset_timeout_max is 1s, and must be at least reset_timeout"
    );
    let trip = Trip::RateOfCalls {
        calls: 10,
        failure_rate: f64::NAN,
        minimum_calls: 10,
        slow: None,
    };
    assert_eq!(
        error(BreakerConfig::default().trip(trip)),
        "breaker: trip.failure_rate is NaN, and must be above 0 and at most 1"
    );
}
