//! Four layers, one in the other.

use std::time::Duration;

use algedonic::resilience::{
    breaker::{BreakerConfig, BreakerLayer},
    bulkhead::{BulkheadConfig, BulkheadLayer},
    rate_limit::{RateLimitConfig, RateLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tower::ServiceBuilder;
use tower_resilience_bulkhead::BulkheadLayer as TheirBulkhead;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_timelimiter::TimeLimiterLayer;

use crate::{
    call::Setting::{OneThread, TwoWorkers},
    case::{
        Case, Contender,
        Target::{Faster, OverBare},
    },
    inner::Nothing,
};

const PEER: &str = "tower-resilience";
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn cases() -> Vec<Case> {
    vec![Case {
        name: "timeout-breaker-bulkhead-rate-limit",
        contenders: vec![ours(), theirs()],
        targets: &[
            (OneThread, OverBare(60.0)),
            (OneThread, Faster(PEER, 10.0)),
            (TwoWorkers, Faster(PEER, 20.0)),
        ],
    }]
}

fn ours() -> Contender {
    Contender::new("ours", || {
        let free = RateLimitConfig::default().limit(1_000_000);
        ServiceBuilder::new()
            .layer(TimeoutLayer::new(TimeoutConfig::attempt(LIMIT)).expect("good"))
            .layer(BreakerLayer::new(BreakerConfig::default()).expect("good"))
            .layer(BulkheadLayer::new(BulkheadConfig::default().size(100)).expect("good"))
            .layer(RateLimitLayer::new(free.burst(1_000_000_000)).expect("good"))
            .service(Nothing)
    })
}

fn theirs() -> Contender {
    Contender::new(PEER, || {
        let limit = RateLimiterLayer::builder()
            .limit_for_period(1_000_000_000)
            .refresh_period(Duration::from_secs(1))
            .timeout_duration(Duration::ZERO);
        let bulkhead = TheirBulkhead::builder()
            .max_concurrent_calls(100)
            .reject_when_full();
        let breaker = CircuitBreakerLayer::builder().consecutive_failures(5);
        let timeout = TimeLimiterLayer::builder().timeout_duration(LIMIT);
        ServiceBuilder::new()
            .layer(timeout.build())
            .layer(breaker.build().expect("good"))
            .layer(bulkhead.build().expect("good"))
            .layer(limit.build().expect("good"))
            .service(Nothing)
    })
}
