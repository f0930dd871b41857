use std::time::Duration;

use algedonic::resilience::{
    Notice,
    breaker::{BreakerConfig, BreakerLayer},
    retry::{Budget, Jitter, RetryConfig, RetryLayer},
};
use tower::Layer;

use crate::{
    Case,
    inner::{AtOnce, Never, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        answered("with a budget", &RetryConfig::default()),
        answered("without", &RetryConfig::default().budget(Budget::Unlimited)),
        over_a_breaker(),
        tried_again(),
        dropped(),
    ]
}

/// Well, or in a way that stays.
fn answered(name: &str, config: &RetryConfig) -> Case {
    let layer = RetryLayer::builder(config.clone())
        .classify(|_: Result<&(), &&str>| algedonic::resilience::retry::Decision::Return)
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new(format!("retry, {name}: answered"), move || {
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

/// A clone of what is inside would allocate: there is none, also where the breaker is open.
fn over_a_breaker() -> Case {
    let breaker = BreakerLayer::new(BreakerConfig::default()).expect("good");
    let handle = breaker.handle();
    let retry = RetryLayer::new(RetryConfig::default()).expect("good");
    let mut service = retry.layer(breaker.layer(AtOnce));
    Case::new("retry, over a breaker: answered and refused", move || {
        handle.reset();
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        handle.force_open();
        let refused = call(&mut service, Ok(())).expect("at once");
        assert!(refused.is_err_and(|error| error.is_open()));
    })
}

/// Until the attempts are used up, with an observer. The pauses are over at once.
fn tried_again() -> Case {
    let nanosecond = Duration::from_nanos(1);
    let config = RetryConfig::default()
        .jitter(Jitter::None)
        .delays(nanosecond, nanosecond)
        .budget(Budget::Unlimited);
    let layer = RetryLayer::builder(config)
        .observer(|_: Notice| ())
        .build()
        .expect("good");
    let mut service = layer.layer(AtOnce);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().expect("a runtime");
    Case::new("retry: out of attempts", move || {
        let failed = runtime.block_on(async {
            let ready = std::future::poll_fn(|cx| tower::Service::poll_ready(&mut service, cx));
            ready.await.expect("ready");
            tower::Service::call(&mut service, Err("lost")).await
        });
        assert_eq!(failed, Err("lost"));
    })
}

fn dropped() -> Case {
    let layer = RetryLayer::new(RetryConfig::default()).expect("good");
    let mut service = layer.layer(Never);
    Case::new("retry: dropped", move || {
        assert!(call(&mut service, Ok(())).is_none());
    })
}
