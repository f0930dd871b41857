use std::time::Duration;

use proptest::prelude::*;
use tower::Layer;

use crate::resilience::{
    load_shed::{LoadShedConfig, LoadShedLayer},
    probe::{Ask, CASES, Dependency, Does, call, poll},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// What is refused says which field and why; what is not works, and is read as it was written.
    #[test]
    fn tc_7_any_configuration_is_refused_or_works(
        millis in prop::option::of(prop_oneof![Just(0), 1_u64..1_000_000_000, any::<u64>()]),
    ) {
        let config = LoadShedConfig { retry_after: millis.map(Duration::from_millis) };
        match LoadShedLayer::named("subject", config.clone()) {
            Err(error) => {
                prop_assert_eq!((error.component(), error.field()), ("load_shed", "retry_after"));
                prop_assert!(millis.is_some_and(|millis| millis == 0 || millis >= 1 << 40));
            }
            Ok(layer) => {
                let handle = layer.handle();
                prop_assert_eq!(handle.config(), &config);
                let mut service = layer.layer(Dependency::with_places(0).service());
                let std::task::Poll::Ready(Ok(future)) = call(&mut service, Ask::new(1, Does::Wait)) else {
                    panic!("it is ready");
                };
                let std::task::Poll::Ready(Err(error)) = poll(std::pin::pin!(future)) else {
                    panic!("it is shed");
                };
                let class = crate::resilience::Classify::class(&error);
                prop_assert_eq!(class.retry_after(), config.retry_after);

                let text = serde_json::to_string(&config).expect("written");
                prop_assert_eq!(&serde_json::from_str::<LoadShedConfig>(&text).expect("read"), &config);
                let mut bytes = Vec::new();
                ciborium::into_writer(&config, &mut bytes).expect("written");
                prop_assert_eq!(&ciborium::from_reader::<LoadShedConfig, _>(&*bytes).expect("read"), &config);
            }
        }
    }
}

#[test]
fn a_file_may_be_empty_and_holds_nothing_unknown() {
    let read = |text| serde_json::from_str::<LoadShedConfig>(text);
    let second = Duration::from_secs(1);
    let config = read(r#"{"retry_after": "1s"}"#).expect("good");
    assert_eq!(config, LoadShedConfig::default().retry_after(second));
    assert_eq!(read("{}").expect("good"), LoadShedConfig::default());
    read(r#"{"retry": "1s"}"#).expect_err("unknown");
}
