//! Rate limits with room, and without.

use std::{
    future::{Ready, ready},
    num::NonZeroU32,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use algedonic::resilience::rate_limit::{RateLimitConfig, RateLimitLayer};
use governor::{
    Quota,
    clock::MonotonicClock,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tower::{
    Layer, Service,
    limit::{RateLimit, RateLimitLayer as TowersLayer},
};
use tower_resilience_ratelimiter::RateLimiterLayer;

use crate::{
    call::Setting::OneThread,
    case::{
        Case, Contender,
        Target::{Faster, OverBare},
    },
    inner::{Answer, Nothing},
};

const PEER: &str = "tower-resilience";
const TOWER: &str = "tower";
const GOVERNOR: &str = "governor";
const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn cases() -> Vec<Case> {
    // More than the rounds come to.
    let free = RateLimitConfig::default()
        .limit(1_000_000)
        .burst(1_000_000_000);
    let spent = RateLimitConfig::default()
        .limit(1)
        .period(Duration::from_secs(3_600))
        .burst(1);
    vec![
        Case {
            name: "rate-limit",
            contenders: vec![
                ours(free),
                theirs(1_000_000_000, SECOND),
                towers(),
                governors(SECOND / 1_000_000, 1_000_000_000),
            ],
            targets: &[
                (OneThread, OverBare(34.0)),
                (OneThread, Faster(PEER, 3.0)),
                // At most 1.5 and 1.1 times as much.
                (OneThread, Faster(TOWER, 0.67)),
                (OneThread, Faster(GOVERNOR, 0.91)),
            ],
        },
        Case {
            name: "rate-limit-refused",
            contenders: vec![
                ours(spent),
                theirs(1, SECOND * 3_600),
                governors(SECOND * 3_600, 1),
            ],
            // The research has no number for it.
            targets: &[],
        },
    ]
}

fn ours(config: RateLimitConfig) -> Contender {
    Contender::new("ours", move || {
        let layer = RateLimitLayer::new(config.clone()).expect("good");
        layer.layer(Nothing)
    })
}

fn theirs(limit: usize, period: Duration) -> Contender {
    Contender::new(PEER, move || {
        let builder = RateLimiterLayer::builder()
            .limit_for_period(limit)
            .refresh_period(period)
            .timeout_duration(Duration::ZERO);
        builder.build().expect("good").layer(Nothing)
    })
}

/// It is not `Clone`: each thread and each task has one of its own, and shares nothing with the others. It can be made
/// only in a runtime.
#[derive(Default)]
struct Alone(Option<RateLimit<Nothing>>);

impl Alone {
    #[inline]
    fn limit(&mut self) -> &mut RateLimit<Nothing> {
        self.0
            .get_or_insert_with(|| TowersLayer::new(u64::MAX, SECOND).layer(Nothing))
    }
}

impl Clone for Alone {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<u64> for Alone {
    type Response = u64;
    type Error = &'static str;
    type Future = <RateLimit<Nothing> as Service<u64>>::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        self.limit().poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        self.limit().call(request)
    }
}

fn towers() -> Contender {
    Contender::new(TOWER, Alone::default)
}

type Governor = governor::RateLimiter<
    NotKeyed,
    InMemoryState,
    MonotonicClock,
    NoOpMiddleware<std::time::Instant>,
>;

/// As plain a service as can be around it: it has none of its own.
#[derive(Clone)]
struct Governed(Arc<Governor>);

impl Service<u64> for Governed {
    type Response = u64;
    type Error = &'static str;
    type Future = Ready<Answer>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: u64) -> Self::Future {
        match self.0.check() {
            Ok(()) => Nothing.call(request),
            Err(_) => ready(Err("limited")),
        }
    }
}

fn governors(interval: Duration, burst: u32) -> Contender {
    Contender::new(GOVERNOR, move || {
        let quota = Quota::with_period(interval).expect("good");
        let quota = quota.allow_burst(NonZeroU32::new(burst).expect("some"));
        let limiter = Governor::direct_with_clock(quota, MonotonicClock);
        Governed(Arc::new(limiter))
    })
}
