use std::time::Duration;

use algedonic::resilience::{
    Notice,
    rate_limit::{RateLimitConfig, RateLimitLayer},
};
use tower::Layer;

use crate::{
    Case,
    inner::{AtOnce, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![admitted(), refused(), waiting()]
}

fn admitted() -> Case {
    let config = RateLimitConfig::default().burst(1_000_000);
    let layer = RateLimitLayer::new(config).expect("good");
    let mut service = layer.layer(AtOnce);
    Case::new("rate limit: admitted", move || {
        assert_eq!(call(&mut service, Ok(())), Some(Ok(())));
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
    })
}

/// One call in an hour.
fn spent() -> RateLimitConfig {
    RateLimitConfig::default()
        .limit(1)
        .period(Duration::from_secs(3_600))
        .burst(1)
}

fn refused() -> Case {
    let layer = RateLimitLayer::builder(spent()).observer(|_: Notice| ());
    let layer = layer.build().expect("good");
    let mut service = layer.layer(AtOnce);
    assert!(call(&mut service, Ok(())).is_some());
    Case::new("rate limit: refused", move || {
        let refused = call(&mut service, Ok(())).expect("at once");
        assert!(refused.is_err_and(|error| error.is_limited()));
    })
}

/// With its timer; dropped, it gives its time back.
fn waiting() -> Case {
    let config = spent().max_wait(Duration::from_secs(7_200));
    let layer = RateLimitLayer::new(config).expect("good");
    let mut service = layer.layer(AtOnce);
    assert!(call(&mut service, Ok(())).is_some());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().expect("a runtime");
    Case::new("rate limit: waiting", move || {
        let _inside = runtime.enter();
        assert!(call(&mut service, Ok(())).is_none());
    })
}
