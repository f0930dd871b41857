//! All layers in the order that is recommended, around a service that has no room: its calls are shed. And in an order in
//! which they are not.

use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, advance};
use tower::{ServiceBuilder, ServiceExt};

use crate::resilience::{
    Classify, Kind,
    breaker::{BreakerConfig, BreakerLayer},
    bulkhead::{BulkheadConfig, BulkheadLayer},
    fallback::{FallbackConfig, FallbackLayer},
    load_shed::{LoadShedConfig, LoadShedLayer},
    probe::{Answer, Ask, Dependency, Does, Failed},
    rate_limit::{RateLimitConfig, RateLimitLayer},
    retry::{RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};

const ATTEMPT: Duration = Duration::from_secs(1);
const TOTAL: Duration = Duration::from_secs(5);
/// What the fallback answers.
const USUAL: u64 = 100;

fn failed<E: Classify>(error: E) -> Failed {
    Failed(error.class())
}

fn works(id: u64) -> Ask {
    Ask::new(id, Does::Answer(Answer::Works))
}

fn total() -> TimeoutLayer {
    TimeoutLayer::new(TimeoutConfig::total(TOTAL)).expect("good")
}

fn attempt() -> TimeoutLayer {
    TimeoutLayer::new(TimeoutConfig::attempt(ATTEMPT)).expect("good")
}

/// As it is written in the documentation, word for word.
#[tokio::test(start_paused = true)]
async fn in_the_order_that_is_recommended_what_has_no_room_is_shed() {
    let dependency = Dependency::with_places(0);
    let fallback = FallbackLayer::builder(FallbackConfig::default()).respond(|_: &Failed| USUAL);
    let fallback = fallback.build().expect("good");
    let retry = RetryLayer::new(RetryConfig::default()).expect("good");
    let breaker = BreakerLayer::new(BreakerConfig::default()).expect("good");
    let limit = RateLimitLayer::new(RateLimitConfig::default().burst(10)).expect("good");
    let bulkhead = BulkheadConfig::default().size(1).overflow(0);
    let bulkhead = BulkheadLayer::new(bulkhead).expect("good");
    let shed = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
    let stack = ServiceBuilder::new()
        .layer(fallback.clone())
        .map_err(failed)
        .layer(total())
        .layer(retry.clone())
        .layer(breaker.clone())
        .layer(limit)
        .layer(bulkhead.clone())
        .layer(shed.clone())
        .layer(attempt())
        .service(dependency.service());

    for id in 1..=3 {
        let answer = stack.clone().oneshot(works(id)).now_or_never();
        assert_eq!(answer, Some(Ok(USUAL)), "at once");
    }
    assert_eq!(shed.handle().status().shed, 3);
    // Neither tried again, nor held against the service.
    assert_eq!(retry.handle().status().retries, 0);
    assert_eq!(breaker.handle().status().failed, 0);

    // Who waits for a slot first, and finds no room then, is shed as well.
    let slot = bulkhead.handle().try_checkout().expect("free");
    let mut waiting = Box::pin(stack.clone().oneshot(works(4)));
    assert!((&mut waiting).now_or_never().is_none());
    slot.checkin();
    assert_eq!(waiting.now_or_never(), Some(Ok(USUAL)));
    assert_eq!(shed.handle().status().shed, 4);
    assert_eq!(fallback.handle().status().taken, 4);
    assert_eq!(bulkhead.handle().status().running, 0);

    dependency.set_places(1);
    assert_eq!(stack.oneshot(works(5)).await, Ok(5));
    dependency.assert_clean();
}

/// A total timeout says that it is ready, and lets its calls wait: what is around it has nothing to shed.
#[tokio::test(start_paused = true)]
async fn around_a_total_timeout_nothing_is_shed() {
    let dependency = Dependency::with_places(0);
    let shed = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
    let stack = ServiceBuilder::new()
        .map_err(failed)
        .layer(shed.clone())
        .layer(total())
        .layer(attempt())
        .service(dependency.service());
    let began = Instant::now();
    let late = stack.oneshot(works(1)).await.expect_err("no room");
    assert_eq!(late.class().kind(), Kind::Timeout);
    assert!(began.elapsed() >= TOTAL, "it has waited in vain");
    assert_eq!(shed.handle().status().shed, 0);
    dependency.assert_clean();
}

/// Outside of a bulkhead it sheds who comes, not who has waited for a slot.
#[tokio::test(start_paused = true)]
async fn around_a_bulkhead_who_has_waited_is_not_shed() {
    let dependency = Dependency::with_places(0);
    let bulkhead = BulkheadConfig::default().size(1).overflow(0);
    let bulkhead = BulkheadLayer::new(bulkhead).expect("good");
    let shed = LoadShedLayer::new(LoadShedConfig::default()).expect("good");
    let stack = ServiceBuilder::new()
        .layer(shed.clone())
        .layer(bulkhead.clone())
        .service(dependency.service());
    let slot = bulkhead.handle().try_checkout().expect("free");
    let mut waiting = Box::pin(stack.clone().oneshot(works(1)));
    assert!((&mut waiting).now_or_never().is_none());
    slot.checkin();
    advance(TOTAL).await;
    assert!((&mut waiting).now_or_never().is_none(), "with the slot");
    assert_eq!(bulkhead.handle().status().running, 1);
    drop(waiting);
    assert!(stack.oneshot(works(2)).await.expect_err("shed").is_shed());
    assert_eq!(shed.handle().status().shed, 1);
}
