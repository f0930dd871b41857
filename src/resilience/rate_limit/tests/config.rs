use std::time::Duration;

use proptest::prelude::*;

use crate::resilience::{
    probe::{CASES, paused},
    rate_limit::{RateLimitConfig, RateLimitLayer},
};

fn any_config() -> impl Strategy<Value = RateLimitConfig> {
    let count = || prop_oneof![0_u32..5, 1_u32..100_000, any::<u32>()];
    let time = || prop_oneof![0_u64..3, 1_u64..1_000_000_000, any::<u64>()];
    (count(), time(), count(), time()).prop_map(|(limit, period, burst, wait)| {
        RateLimitConfig::default()
            .limit(limit)
            .period(Duration::from_millis(period))
            .burst(burst)
            .max_wait(Duration::from_millis(wait))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(config in any_config()) {
        match RateLimitLayer::new(config.clone()) {
            Err(error) => {
                prop_assert_eq!(error.component(), "rate_limit");
                prop_assert!(["limit", "period", "burst", "max_wait"].contains(&error.field()));
            }
            Ok(limit) => paused().block_on(async {
                let limit = limit.handle();
                prop_assert_eq!(limit.config(), &config);
                prop_assert_eq!(limit.status().available, u64::from(config.burst));
                let calls = config.burst.min(20);
                for _ in 0..calls {
                    prop_assert!(limit.try_acquire().is_ok());
                }
                if calls == config.burst {
                    let wait = limit.try_acquire().expect_err("nothing is left").retry_after();
                    let wait = wait.expect("a time");
                    // One interval, rounded up to a nanosecond.
                    let exact = wait * config.limit;
                    prop_assert!(exact >= config.period);
                    prop_assert!(exact < config.period + Duration::from_nanos(config.limit.into()));
                }

                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<RateLimitConfig>(&text).expect("read"), &config);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<RateLimitConfig, _>(&*bytes).expect("read"), &config);
                Ok(())
            })?,
        }
    }
}

/// Requirement 1.12.
#[test]
fn the_default_is_that_of_the_requirements() {
    let llm = RateLimitConfig::llm_worker();
    assert_eq!((llm.limit, llm.period), (10, Duration::from_secs(1)));
    assert_eq!(llm, RateLimitConfig::default());
}

#[test]
fn a_file_may_hold_what_differs_only_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<RateLimitConfig>(text);
    let config = read(r#"{"limit": 600, "period": "1m", "burst": 20, "max_wait": 5000}"#);
    let expected = RateLimitConfig::default()
        .limit(600)
        .period(Duration::from_secs(60))
        .burst(20)
        .max_wait(Duration::from_secs(5));
    assert_eq!(config.expect("good"), expected);
    assert_eq!(read("{}").expect("good"), RateLimitConfig::default());
    read(r#"{"rate": 5}"#).expect_err("unknown");
}

#[test]
fn an_error_names_the_field_its_value_and_the_rule() {
    let error = |config: RateLimitConfig| config.validate().expect_err("refused").to_string();
    let config = RateLimitConfig::default;
    assert_eq!(
        error(config().limit(1_000_001)),
        "rate_limit: limit is 1000001, and must be at most one in a microsecond"
    );
    assert_eq!(
        error(config().burst(0)),
        "rate_limit: burst is 0, and must be at least 1"
    );
    let years = config().limit(1).period(Duration::from_secs(1 << 20));
    assert_eq!(
        error(years.burst(1 << 20)),
        "rate_limit: burst is 1048576, and must be so many that they come back within 2^40 ms (34 years)"
    );
    let wait = Duration::from_millis(1 << 40);
    assert_eq!(
        error(config().max_wait(wait)).split(", ").nth(1),
        Some("and must be below 2^40 ms (34 years)")
    );
}
