use std::time::Duration;

use algedonic::resilience::{
    Classify, Kind,
    breaker::{BreakerConfig, BreakerLayer},
    bulkhead::{BulkheadConfig, BulkheadLayer},
    fallback::{FallbackConfig, FallbackLayer},
    load_shed::{LoadShedConfig, LoadShedLayer},
    rate_limit::{RateLimitConfig, RateLimitLayer},
    retry::{RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tower::{Service, ServiceBuilder};

use crate::{
    Case,
    inner::{Answer, AtOnce, call},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![four("admitted"), open(), full(), limited(), all()]
}

/// One of each, and what becomes of a call.
struct Four {
    breaker: BreakerLayer,
    bulkhead: BulkheadLayer,
    limit: RateLimitLayer,
}

impl Four {
    fn new() -> Self {
        let bulkhead = BulkheadConfig::default().size(1).overflow(0).queue(0);
        let limit = RateLimitConfig::default().burst(1_000_000);
        Self {
            breaker: BreakerLayer::new(BreakerConfig::default()).expect("good"),
            bulkhead: BulkheadLayer::new(bulkhead).expect("good"),
            limit: RateLimitLayer::new(limit).expect("good"),
        }
    }

    fn service(&self) -> impl Service<Answer, Response = (), Error: Classify> + 'static {
        let timeout = TimeoutConfig::total(Duration::from_secs(30));
        ServiceBuilder::new()
            .layer(TimeoutLayer::new(timeout).expect("good"))
            .layer(self.breaker.clone())
            .layer(self.bulkhead.clone())
            .layer(self.limit.clone())
            .service(AtOnce)
    }

    fn refuses(self, what: &str, held: impl Sized + 'static) -> Case {
        let mut service = self.service();
        Case::new(format!("a stack of four: {what}"), move || {
            let _held = &held;
            let refused = call(&mut service, Ok(())).expect("at once");
            let error = refused.expect_err("refused");
            assert_eq!(error.class().kind(), Kind::LocalRejection);
        })
    }
}

fn four(what: &str) -> Case {
    let four = Four::new();
    let mut service = four.service();
    let handle = four.breaker.handle();
    Case::new(format!("a stack of four: {what}"), move || {
        assert!(call(&mut service, Ok(())).expect("at once").is_ok());
        assert!(call(&mut service, Err("lost")).expect("at once").is_err());
        handle.reset();
    })
}

fn open() -> Case {
    let four = Four::new();
    four.breaker.handle().force_open();
    four.refuses("open", ())
}

fn full() -> Case {
    let four = Four::new();
    let slot = four.bulkhead.handle().try_checkout().expect("free");
    four.refuses("full", slot)
}

fn limited() -> Case {
    let hour = Duration::from_secs(3_600);
    let spent = RateLimitConfig::default().limit(1).period(hour).burst(1);
    let limit = RateLimitLayer::new(spent).expect("good");
    limit.handle().try_acquire().expect("one");
    let four = Four {
        limit,
        ..Four::new()
    };
    four.refuses("limited", ())
}

/// In the order that is recommended: answered, and answered by the fallback.
fn all() -> Case {
    let breaker = BreakerLayer::new(BreakerConfig::default()).expect("good");
    let limit = RateLimitConfig::default().burst(1_000_000);
    let handle = breaker.handle();
    let fallback = FallbackLayer::builder(FallbackConfig::default()).respond(|_: &&'static str| ());
    let (total, attempt) = (Duration::from_secs(30), Duration::from_secs(5));
    let mut service = ServiceBuilder::new()
        .layer(fallback.build().expect("good"))
        .map_err(|_| "lost")
        .layer(TimeoutLayer::new(TimeoutConfig::total(total)).expect("good"))
        .layer(RetryLayer::new(RetryConfig::default()).expect("good"))
        .layer(breaker)
        .layer(RateLimitLayer::new(limit).expect("good"))
        .layer(BulkheadLayer::new(BulkheadConfig::default()).expect("good"))
        .layer(LoadShedLayer::new(LoadShedConfig::default()).expect("good"))
        .layer(TimeoutLayer::new(TimeoutConfig::attempt(attempt)).expect("good"))
        .service(AtOnce);
    Case::new("all layers: answered, and open", move || {
        handle.reset();
        assert!(call(&mut service, Ok(())).expect("at once").is_ok());
        handle.force_open();
        assert!(call(&mut service, Ok(())).expect("at once").is_ok());
    })
}
