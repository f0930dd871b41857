use std::collections::BTreeSet;

use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use super::calls::KINDS;
use crate::resilience::{
    Kind,
    fallback::{FallbackConfig, FallbackLayer},
    probe::{CASES, Failed},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(kinds in prop::sample::subsequence(KINDS.to_vec(), 0..=5)) {
        let config = FallbackConfig::default().kinds(kinds.clone());
        match FallbackLayer::builder(config.clone()).respond(|_: &Failed| 7).build() {
            Err(error) => {
                prop_assert!(kinds.is_empty());
                prop_assert_eq!(error.to_string(), "fallback: kinds is {}, and must be at least one kind");
            }
            Ok(fallback) => {
                let handle = fallback.handle();
                prop_assert_eq!(handle.config(), &config);
                for kind in KINDS {
                    let service = fallback.layer(service_fn(move |()| std::future::ready(Err(Failed::of(kind)))));
                    let answered = futures_util::FutureExt::now_or_never(service.oneshot(()));
                    prop_assert_eq!(answered.expect("at once").is_ok(), kinds.contains(&kind));
                }
                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<FallbackConfig>(&text).expect("read"), &config);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<FallbackConfig, _>(&*bytes).expect("read"), &config);
            }
        }
    }
}

#[test]
fn a_file_names_kinds_and_nothing_unknown() {
    let read = |text| serde_json::from_str::<FallbackConfig>(text);
    let config = read(r#"{"kinds": ["timeout", "local_rejection"]}"#).expect("good");
    let expected: BTreeSet<_> = [Kind::Timeout, Kind::LocalRejection].into();
    assert_eq!(config.kinds, expected);
    assert_eq!(read("{}").expect("good"), FallbackConfig::default());
    read(r#"{"kinds": ["some"]}"#).expect_err("unknown");
    read(r#"{"kind": []}"#).expect_err("unknown");
}
