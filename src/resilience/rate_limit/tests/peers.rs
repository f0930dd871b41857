//! Other rate limits, where they differ from the properties, and so from ours. A test here fails when a new release of
//! theirs has mended what it shows; then the comparison is to be told anew.

use std::{task::Poll, time::Duration};

use futures_util::FutureExt;
use tokio::time::advance;
use tower::{Layer, Service};
use tower_resilience_ratelimiter::{RateLimiterConfigBuilder, RateLimiterLayer};

use crate::resilience::{
    probe::{Answer, Ask, Dependency, Does, Probe, call},
    rate_limit::{RateLimit, RateLimitConfig, RateLimitLayer},
    rig::Rig,
};

const LIMIT: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// So many in a second.
fn ours(max_wait: Duration) -> RateLimitLayer {
    let config = RateLimitConfig::default().limit(LIMIT).burst(LIMIT);
    RateLimitLayer::new(config.max_wait(max_wait)).expect("good")
}

fn towers() -> tower::limit::RateLimitLayer {
    tower::limit::RateLimitLayer::new(LIMIT.into(), SECOND)
}

fn theirs() -> RateLimiterConfigBuilder {
    RateLimiterLayer::builder()
        .limit_for_period(LIMIT as usize)
        .refresh_period(SECOND)
        .timeout_duration(Duration::ZERO)
}

/// How many of so many calls are answered now.
fn answered<S: Service<Ask>>(service: &mut S, calls: u32) -> usize {
    let calls = (0..calls).filter(|_| {
        let ask = Ask::new(1, Does::Answer(Answer::Works));
        match call(service, ask) {
            Poll::Ready(Ok(response)) => response.now_or_never().is_some_and(|end| end.is_ok()),
            _ => false,
        }
    });
    calls.count()
}

/// How many calls pass within two milliseconds, around the end of the window that the first call began.
async fn around_the_end<S: Service<Ask>>(mut service: S) -> usize {
    assert_eq!(answered(&mut service, 1), 1);
    advance(999 * MILLI).await;
    let before = answered(&mut service, 100);
    advance(2 * MILLI).await;
    before + answered(&mut service, 100)
}

/// RL-1 and RL-2, row 22: a fixed window lets nearly twice its limit through. In ours a call comes back each 100 ms.
#[tokio::test(start_paused = true)]
async fn rl_2_around_the_end_of_a_window() {
    let inner = Dependency::with_places(usize::MAX);
    let ours = ours(Duration::ZERO).layer(inner.service());
    assert_eq!(around_the_end(ours).await, 10);
    assert_eq!(around_the_end(towers().layer(inner.service())).await, 19);
    let theirs = theirs().build().expect("good").layer(inner.service());
    assert_eq!(around_the_end(theirs).await, 19);
}

/// TC-4, row 23: tower's limits each service of a layer by itself.
#[tokio::test(start_paused = true)]
async fn tc_4_two_services_of_one_layer() {
    let inner = Dependency::with_places(usize::MAX);
    let both = |mut one: RateLimit<Probe>, mut other: RateLimit<Probe>| {
        answered(&mut one, 100) + answered(&mut other, 100)
    };
    let layer = ours(Duration::ZERO);
    let services = (layer.layer(inner.service()), layer.layer(inner.service()));
    assert_eq!(both(services.0, services.1), 10);
    let layer = towers();
    let mut services = [layer.layer(inner.service()), layer.layer(inner.service())];
    let passed = services.iter_mut().map(|service| answered(service, 100));
    assert_eq!(passed.sum::<usize>(), 20);
}

/// How many calls pass after some were asked whether they are ready, and went away.
fn after_idle_ones<S: Service<Ask> + Clone>(mut service: S) -> usize {
    for _ in 0..LIMIT {
        let mut idle = service.clone();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(idle.poll_ready(&mut context).is_ready());
    }
    answered(&mut service, 100)
}

/// RL-5, row 20: theirs, where it makes its callers wait in readiness, takes a token for each who is ready, and it is
/// gone if they do not call.
#[tokio::test(start_paused = true)]
async fn rl_5_who_is_ready_and_does_not_call() {
    let inner = Dependency::with_places(usize::MAX);
    let ours = ours(Duration::ZERO).layer(inner.service());
    assert_eq!(after_idle_ones(ours), 10);
    let theirs = theirs().backpressure().build().expect("good");
    assert_eq!(after_idle_ones(theirs.layer(inner.service())), 0);
}

/// What is reserved in the service inside by calls that wait for their time.
fn held_by_who_waits<S>(service: S, inner: &Dependency) -> usize
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let mut rig = Rig::new(vec![service; LIMIT as usize + 3]);
    for service in 0..rig.services() {
        rig.call(service, Does::Wait).expect("ready");
    }
    assert_eq!(inner.running().len(), LIMIT as usize);
    inner.reserved()
}

/// RL-6, row 19: theirs holds a place of the service inside for each who waits, for up to a whole period.
#[tokio::test(start_paused = true)]
async fn rl_6_what_is_held_by_who_waits() {
    let inner = Dependency::with_places(usize::MAX);
    let service = ours(10 * SECOND).layer(inner.service());
    assert_eq!(held_by_who_waits(service, &inner), 0);
    let inner = Dependency::with_places(usize::MAX);
    let layer = theirs()
        .timeout_duration(10 * SECOND)
        .build()
        .expect("good");
    let service = layer.layer(inner.service());
    assert_eq!(held_by_who_waits(service, &inner), 3);
}
