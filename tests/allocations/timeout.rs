use std::time::Duration;

use algedonic::resilience::{
    Notice,
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tokio::runtime::Runtime;
use tower::Layer;

use crate::{
    Case,
    inner::{AtOnce, Never, call},
};

pub(crate) fn cases() -> Vec<Case> {
    let limit = Duration::from_secs(30);
    let both = [
        ("an attempt", TimeoutConfig::attempt(limit)),
        ("in total", TimeoutConfig::total(limit)),
    ];
    let mut cases = vec![function()];
    for (name, config) in both {
        cases.extend([
            answered(name, &config),
            dropped(name, &config),
            elapsed(name, config),
        ]);
    }
    cases
}

fn answered(name: &str, config: &TimeoutConfig) -> Case {
    let layer = TimeoutLayer::new(config.clone()).expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new(format!("timeout, {name}: answered"), move || {
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
}

/// While it waits, with its timer.
fn dropped(name: &str, config: &TimeoutConfig) -> Case {
    let layer = TimeoutLayer::new(config.clone()).expect("good");
    let mut service = layer.layer(Never);
    let runtime = runtime();
    Case::new(format!("timeout, {name}: dropped"), move || {
        let _inside = runtime.enter();
        assert!(call(&mut service, Ok(())).is_none());
    })
}

/// What a request allows is over at once, with an observer.
fn elapsed(name: &str, config: TimeoutConfig) -> Case {
    let layer = TimeoutLayer::builder(config)
        .observer(|_: Notice| ())
        .limit_by(|_: &crate::inner::Answer| Some(Duration::ZERO))
        .build()
        .expect("good");
    let mut service = layer.layer(Never);
    Case::new(format!("timeout, {name}: elapsed"), move || {
        let late = call(&mut service, Ok(())).expect("at once");
        assert!(late.is_err_and(|error| error.is_elapsed()));
    })
}

/// What is no service.
fn function() -> Case {
    let layer = TimeoutLayer::new(TimeoutConfig::default()).expect("good");
    let handle = layer.handle();
    Case::new("timeout: a function", move || {
        let answered = handle.call(|| std::future::ready(Ok::<_, &str>(7)));
        let answered = futures_util::FutureExt::now_or_never(answered);
        assert_eq!(answered, Some(Ok(7)));
    })
}
