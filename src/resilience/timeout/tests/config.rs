use std::time::Duration;

use proptest::prelude::*;

use super::calls::{config, covers};
use crate::resilience::{
    probe::{CASES, paused},
    timeout::{TimeoutConfig, TimeoutLayer},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(
        covers in covers(), millis in prop_oneof![Just(0), 1_u64..1_000_000_000, any::<u64>()], nanos in 0_u32..3,
    ) {
        let config = config(covers, Duration::from_millis(millis) + Duration::from_nanos(nanos.into()));
        match TimeoutLayer::new(config.clone()) {
            Err(error) => {
                prop_assert_eq!((error.component(), error.field()), ("timeout", "limit"));
                prop_assert!(config.limit.is_zero() || millis >= 1 << 40);
            }
            Ok(timeout) => paused().block_on(async {
                let timeout = timeout.handle();
                prop_assert_eq!(timeout.config(), &config);
                let answered = timeout.call(|| async {
                    tokio::task::yield_now().await;
                    Ok::<_, ()>(7)
                });
                prop_assert_eq!(answered.await.ok(), Some(7));

                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<TimeoutConfig>(&text).expect("read"), &config);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<TimeoutConfig, _>(&*bytes).expect("read"), &config);
                Ok(())
            })?,
        }
    }
}

/// Requirement 1.08.
#[test]
fn the_default_is_that_of_the_requirements() {
    let second = Duration::from_secs(1);
    assert_eq!(
        TimeoutConfig::llm_api(),
        TimeoutConfig::attempt(30 * second)
    );
    assert_eq!(TimeoutConfig::default(), TimeoutConfig::llm_api());
}

#[test]
fn a_file_may_hold_what_differs_only_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<TimeoutConfig>(text);
    let config = read(r#"{"limit": "10s", "covers": "total"}"#);
    assert_eq!(
        config.expect("good"),
        TimeoutConfig::total(Duration::from_secs(10))
    );
    assert_eq!(read("{}").expect("good"), TimeoutConfig::default());
    read(r#"{"limit": "10s", "cover": "total"}"#).expect_err("unknown");
    read(r#"{"covers": "some"}"#).expect_err("unknown");
}

#[test]
fn an_error_names_the_field_its_value_and_the_rule() {
    let error = TimeoutConfig::total(Duration::ZERO)
        .validate()
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "timeout: limit is 0ns, and must be above 0 and below 2^40 ms (34 years)"
    );
}
