use std::{future::pending, io, time::Duration};

use algedonic::resilience::{
    breaker::{BreakerConfig, State},
    bulkhead::BulkheadConfig,
    registry::Registry,
};
use futures_util::FutureExt;
use tokio::time::advance;

use super::{down, fail, succeed};

const SECOND: Duration = Duration::from_secs(1);

/// A registry with this breaker, which has just opened.
async fn opened(config: BreakerConfig) -> Registry {
    let registry = Registry::builder().breaker("api", config.reset_jitter(0.0));
    let registry = registry.build().expect("valid");
    fail(&registry, "api", 5).await;
    assert_eq!(registry.breaker("api").state(), State::Open);
    registry
}

/// Requirement 1.24: a breaker that will not close. Why, its status says.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_will_not_close_says_why() {
    // The dependency is still ill, or the reset is too short for it: each period is one more failure, and two changes.
    let registry = opened(BreakerConfig::default()).await;
    let before = registry.breaker("api").status();
    for _ in 0..4 {
        advance(60 * SECOND).await;
        fail(&registry, "api", 1).await;
    }
    let status = registry.breaker("api").status();
    assert_eq!(status.failed - before.failed, 4);
    assert_eq!(status.generation - before.generation, 8);
    assert_eq!(status.state, State::Open);

    // Too few calls for the success threshold: all probes were well, and more are needed.
    let registry = opened(BreakerConfig::default().success_threshold(10)).await;
    advance(60 * SECOND).await;
    succeed(&registry, "api", 4).await;
    let (breaker, status) = (registry.breaker("api"), registry.breaker("api").status());
    assert_eq!((status.state, status.probes), (State::HalfOpen, 0));
    assert_eq!(status.success_count, 4);
    assert_eq!(breaker.config().success_threshold, 10);
    assert_eq!(status.failed, 5, "none since it opened");

    // Probes hang: all places are taken, nothing succeeds.
    let registry = opened(BreakerConfig::default()).await;
    advance(60 * SECOND).await;
    let mut hanging = Vec::new();
    for _ in 0..3 {
        let call = registry.with_breaker("api", pending::<Result<(), io::Error>>);
        let mut call = Box::pin(call);
        assert!((&mut call).now_or_never().is_none());
        hanging.push(call);
    }
    let status = registry.breaker("api").status();
    assert_eq!(
        (status.state, status.probes, status.success_count),
        (State::HalfOpen, 3, 0)
    );
    assert_eq!(registry.breaker("api").config().half_open_permits, 3);

    // Somebody did it by hand.
    let registry = opened(BreakerConfig::default()).await;
    registry.breaker("api").force_open();
    assert_eq!(registry.breaker("api").status().state, State::ForcedOpen);
    assert_eq!(registry.breaker("api").status().retry_after, None);
}

/// Requirement 1.24: a pool that is always full: leaks, slow calls and a wait that is too short look different.
#[tokio::test(start_paused = true)]
async fn a_pool_that_is_always_full_says_why() {
    let config = BulkheadConfig::default()
        .size(2)
        .overflow(0)
        .queue(2)
        .max_wait(SECOND);
    let registry = Registry::builder()
        .bulkhead("leaking", config.clone())
        .bulkhead("slow", config.clone())
        .bulkhead("hurried", config)
        .build()
        .expect("valid");
    let (pool, metrics) = (
        |name| registry.bulkhead(name),
        |name| registry.metrics().bulkhead(name).expect("there").clone(),
    );

    // Slots that are forgotten: full, and nobody is admitted any more.
    let forgotten: Vec<_> = (0..2)
        .map(|_| pool("leaking").try_checkout().expect("free"))
        .collect();
    for _ in 0..5 {
        pool("leaking")
            .checkout()
            .await
            .expect_err("none comes back");
    }
    let leaking = metrics("leaking");
    assert_eq!((leaking.available, leaking.busy), (0, 2));
    assert_eq!((leaking.counts.admitted, leaking.counts.timed_out), (2, 5));

    // Slow calls: full as well, and calls are admitted all the time, after a wait.
    let work = || async {
        tokio::time::sleep(SECOND / 2).await;
        Ok::<_, io::Error>(())
    };
    let calls = (0..4).map(|_| registry.with_pool("slow", work));
    let ends = futures_util::future::join_all(calls).await;
    assert!(ends.iter().all(Result::is_ok));
    let slow = metrics("slow").counts;
    assert_eq!((slow.checkouts, slow.admitted, slow.timed_out), (4, 4, 0));

    // Waits that are too short: some find no slot in time, while others are admitted.
    let work = || async {
        tokio::time::sleep(SECOND * 3 / 2).await;
        Ok::<_, io::Error>(())
    };
    let calls = (0..5).map(|_| registry.with_pool("hurried", work));
    futures_util::future::join_all(calls).await;
    let hurried = metrics("hurried").counts;
    assert_eq!(
        (hurried.admitted, hurried.timed_out, hurried.rejected),
        (2, 2, 1)
    );
    drop(forgotten);
}

/// Requirement 1.24: a high rate of rejections, and where.
#[tokio::test(start_paused = true)]
async fn a_high_rejection_rate_is_found_by_component() {
    let registry = Registry::default();
    succeed(&registry, "database", 10).await;
    fail(&registry, "llm_api", 3).await;
    for _ in 0..9 {
        let call = || async { Ok::<_, io::Error>(()) };
        registry.with_llm_breaker(call).await.expect_err("open");
    }
    let metrics = registry.metrics();
    let rate = |name| {
        let counts = metrics.breaker(name).expect("there").counts;
        (counts.rejected, counts.calls)
    };
    assert_eq!((rate("llm_api"), rate("database")), ((9, 12), (0, 10)));
    let total = metrics.total().breakers;
    assert_eq!((total.rejected, total.calls), (9, 22));
}

/// Requirement 1.25: an application tries its own code with each failure: a breaker that is open, one that is half-open
/// after its time, a full pool, a call that hangs; in no time.
#[tokio::test(start_paused = true)]
async fn an_application_can_cause_each_failure() {
    let started = std::time::Instant::now();
    let registry = Registry::default();
    // The code under test.
    let price = async |result: Result<u32, io::Error>| {
        let call = || registry.with_worker_pool(|| async { result });
        registry
            .with_external_api_breaker(call)
            .await
            .unwrap_or(100)
    };
    assert_eq!(price(Ok(7)).await, 7);
    // It is down, and its breaker opens by itself.
    for _ in 0..5 {
        assert_eq!(price(Err(down())).await, 100);
    }
    assert_eq!(registry.breaker("external_api").state(), State::Open);
    assert_eq!(price(Ok(7)).await, 100);
    // After a minute, and its jitter, it is tried.
    advance(66 * SECOND).await;
    assert_eq!(price(Ok(7)).await, 7);
    assert_eq!(registry.breaker("external_api").state(), State::HalfOpen);
    // By hand, without a failure.
    registry.breaker("external_api").force_open();
    assert_eq!(price(Ok(7)).await, 100);
    registry.breaker("external_api").reset();
    // A pool without a slot: five seconds later the call is refused.
    let pool = registry.bulkhead("worker_agent");
    let slots: Vec<_> = std::iter::from_fn(|| pool.try_checkout().ok()).collect();
    assert_eq!(price(Ok(7)).await, 100);
    assert_eq!(pool.status().timed_out, 1);
    drop(slots);
    assert_eq!(price(Ok(7)).await, 7);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "no time has passed"
    );
}
