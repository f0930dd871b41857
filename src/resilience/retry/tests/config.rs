use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use super::backoff::jitter;
use crate::resilience::{
    Kind,
    probe::{CASES, Failed, paused},
    retry::{Budget, BudgetConfig, Jitter, RetryConfig, RetryLayer},
};

fn any_config() -> impl Strategy<Value = RetryConfig> {
    let count = || prop_oneof![0_u32..4, 999_990_u32..1_000_010, any::<u32>()];
    // Not of more digits than serde_json reads exactly.
    let float = || {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1.0, 1e9];
        prop_oneof![
            (0_u32..3_000).prop_map(|number| f64::from(number) / 1e3),
            prop::sample::select(odd.to_vec())
        ]
    };
    let time = || prop_oneof![Just(0), 1_u64..1_000, any::<u64>()].prop_map(Duration::from_millis);
    let budget = prop::option::of((float(), count(), count()));
    let elapsed = prop::option::of(time());
    (
        count(),
        time(),
        time(),
        float(),
        jitter(),
        time(),
        elapsed,
        budget,
    )
        .prop_map(
            |(retries, first, longest, multiplier, jitter, after, elapsed, budget)| {
                let budget = budget.map_or(Budget::Unlimited, |(ratio, per_second, saved)| {
                    BudgetConfig::default()
                        .ratio(ratio)
                        .per_second(per_second)
                        .saved(saved)
                        .into()
                });
                let mut config = RetryConfig::default()
                    .max_retries(retries)
                    .delays(first, longest)
                    .multiplier(multiplier)
                    .jitter(jitter)
                    .max_retry_after(after)
                    .budget(budget);
                config.max_elapsed = elapsed;
                config
            },
        )
}

const FIELDS: [&str; 8] = [
    "first_delay",
    "max_delay",
    "multiplier",
    "max_retry_after",
    "max_elapsed",
    "budget.ratio",
    "budget.per_second",
    "budget.saved",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(config in any_config()) {
        match RetryLayer::new(config.clone()) {
            Err(error) => {
                prop_assert_eq!(error.component(), "retry");
                prop_assert!(FIELDS.contains(&error.field()), "{}", error);
            }
            Ok(layer) => paused().block_on(async {
                let handle = layer.handle();
                prop_assert_eq!(handle.config(), &config);
                // Three times, whichever clone is called; then it works.
                let attempts = AtomicU32::new(0);
                let service = layer.layer(service_fn(|id: u64| {
                    let fails = attempts.fetch_add(1, Ordering::Relaxed) < 3;
                    std::future::ready(if fails { Err(Failed::of(Kind::Dependency)) } else { Ok(id) })
                }));
                let said = service.oneshot(7).await;
                let status = handle.status();
                prop_assert_eq!(said.is_ok(), status.retries == 3);

                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<RetryConfig>(&text).expect("read"), &config, "{}", text);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<RetryConfig, _>(&*bytes).expect("read"), &config);
                Ok(())
            })?,
        }
    }
}

/// Requirement 1.22; three retries of a publish; delays to 30 s.
#[test]
fn the_named_configurations_are_those_of_the_requirements() {
    assert_eq!(RetryConfig::external_api().max_retries, 5);
    let config = RetryConfig::default();
    assert_eq!(config.max_retries, 3);
    assert_eq!(config.max_delay, Duration::from_secs(30));
    assert_ne!(config.jitter, Jitter::None, "with jitter");
    assert_eq!(
        config.budget,
        Budget::Limited(BudgetConfig {
            ratio: 0.2,
            per_second: 10,
            saved: 100
        })
    );
    config.validate().expect("good");
    RetryConfig::external_api().validate().expect("good");
}

#[test]
fn a_file_may_hold_what_differs_only_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<RetryConfig>(text);
    let config = read(
        r#"{"max_retries": 5, "first_delay": "1s", "jitter": "decorrelated", "max_elapsed": 60000,
            "budget": {"limited": {"ratio": 0.1}}}"#,
    );
    let mut expected = RetryConfig::default()
        .max_retries(5)
        .jitter(Jitter::Decorrelated)
        .max_elapsed(Duration::from_secs(60))
        .budget(BudgetConfig::default().ratio(0.1).into());
    expected.first_delay = Duration::from_secs(1);
    assert_eq!(config.expect("good"), expected);
    let unlimited = read(r#"{"budget": "unlimited"}"#).expect("good");
    assert_eq!(unlimited, RetryConfig::default().budget(Budget::Unlimited));
    for unknown in [
        r#"{"max_retrys": 5}"#,
        r#"{"jitter": "some"}"#,
        r#"{"budget": {"limited": {"share": 0.1}}}"#,
    ] {
        read(unknown).expect_err(unknown);
    }
}

#[test]
fn an_error_names_the_field_its_value_and_the_rule() {
    let error = |config: RetryConfig| config.validate().expect_err("refused").to_string();
    let second = Duration::from_secs(1);
    assert_eq!(
        error(RetryConfig::default().delays(2 * second, second)),
        "retry: max_delay is 1s, and must be at least first_delay"
    );
    assert_eq!(
        error(RetryConfig::default().multiplier(f64::NAN)),
        "retry: multiplier is NaN, and must be at least 1, and finite"
    );
    assert_eq!(
        error(RetryConfig::default().budget(BudgetConfig::default().saved(0).into())),
        "retry: budget.saved is 0, and must be 1 to 1,000,000, or 0 if budget.ratio is"
    );
}
