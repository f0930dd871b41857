use std::time::Duration;

use proptest::prelude::*;

use crate::resilience::{
    bulkhead::{BulkheadConfig, BulkheadLayer},
    probe::CASES,
};

fn any_config() -> impl Strategy<Value = BulkheadConfig> {
    let count = || prop_oneof![0_u32..5, 999_990_u32..1_000_010, any::<u32>()];
    let wait = prop_oneof![Just(0), 1_u64..1_000_000_000, any::<u64>()];
    (count(), count(), count(), wait).prop_map(|(size, overflow, queue, wait)| {
        BulkheadConfig::default()
            .size(size)
            .overflow(overflow)
            .queue(queue)
            .max_wait(Duration::from_millis(wait))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(config in any_config()) {
        match BulkheadLayer::new(config.clone()) {
            Err(error) => {
                prop_assert_eq!(error.component(), "bulkhead");
                prop_assert!(["size", "overflow", "queue", "max_wait"].contains(&error.field()));
            }
            Ok(bulkhead) => {
                let bulkhead = bulkhead.handle();
                prop_assert_eq!(&bulkhead.config(), &config);
                let slots: Vec<_> = (0..config.slots().min(20)).map(|_| bulkhead.try_checkout()).collect();
                prop_assert!(slots.iter().all(Result::is_ok));
                prop_assert_eq!(bulkhead.try_checkout().is_err(), config.slots() <= 20);
                drop(slots);
                prop_assert_eq!(bulkhead.status().available, u64::from(config.size));

                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<BulkheadConfig>(&text).expect("read"), &config);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<BulkheadConfig, _>(&*bytes).expect("read"), &config);
            }
        }
    }
}

/// Requirements 1.02, 1.11 and 1.12.
#[test]
fn the_named_configurations_are_those_of_the_requirements() {
    let worker = BulkheadConfig::worker_agent();
    assert_eq!((worker.size, worker.overflow), (20, 10));
    assert_eq!(worker.max_wait, Duration::from_secs(5));
    let llm = BulkheadConfig::llm_worker();
    assert_eq!((llm.size, llm.overflow), (5, 2));
    assert_eq!(llm.max_wait, Duration::from_secs(30));
    for named in [
        worker,
        llm,
        BulkheadConfig::sensor_agent(),
        BulkheadConfig::api_agent(),
        BulkheadConfig::telegram_bot(),
    ] {
        named.validate().expect("good");
    }
}

#[test]
fn a_file_may_hold_what_differs_only_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<BulkheadConfig>(text);
    let config = read(r#"{"size": 5, "overflow": 2, "queue": 14, "max_wait": 30000}"#);
    assert_eq!(config.expect("good"), BulkheadConfig::llm_worker());
    read(r#"{"sise": 5}"#).expect_err("unknown");
}

#[test]
fn an_error_names_the_field_its_value_and_the_rule() {
    let error = |config: BulkheadConfig| config.validate().expect_err("refused").to_string();
    assert_eq!(
        error(BulkheadConfig::default().size(0)),
        "bulkhead: size is 0, and must be 1 to 1,000,000"
    );
    assert_eq!(
        error(BulkheadConfig::default().max_wait(Duration::ZERO)),
        "bulkhead: max_wait is 0ns, and must be above 0 and below 2^40 ms (34 years)"
    );
    let handle = BulkheadLayer::new(BulkheadConfig::default())
        .expect("good")
        .handle();
    let error = handle.resize(1, 2_000_000).expect_err("refused");
    assert_eq!(error.field(), "overflow");
    assert_eq!(
        handle.config(),
        BulkheadConfig::default(),
        "it stays as it was"
    );
}
