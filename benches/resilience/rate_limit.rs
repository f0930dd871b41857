//! Rate limits with room, and without.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use algedonic::resilience::rate_limit::{RateLimitConfig, RateLimitLayer};
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
    inner::Nothing,
};

const PEER: &str = "tower-resilience";
const TOWER: &str = "tower";
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
            contenders: vec![ours(free), theirs(1_000_000_000, SECOND), towers()],
            targets: &[
                (OneThread, OverBare(34.0)),
                (OneThread, Faster(PEER, 3.0)),
                // At most 1.5 times as much.
                (OneThread, Faster(TOWER, 0.67)),
            ],
        },
        Case {
            name: "rate-limit-refused",
            contenders: vec![ours(spent), theirs(1, SECOND * 3_600)],
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
