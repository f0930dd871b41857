use std::{cell::Cell, future::pending, io, time::Duration};

use algedonic::resilience::{
    breaker::{self, BreakerConfig, State, Trip},
    bulkhead::BulkheadConfig,
    rate_limit::{RateLimitConfig, RateLimitLayer},
    registry::{HealthReport, Registry},
    retry::{Jitter, RetryConfig},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use futures_util::FutureExt;
use tokio::time::{Instant, advance};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::{down, fail, succeed};

const SECOND: Duration = Duration::from_secs(1);

fn names(report: &HealthReport) -> (Vec<&str>, Vec<&str>) {
    let breakers = report.breakers.iter().map(|one| one.name.as_str());
    let bulkheads = report.bulkheads.iter().map(|one| one.name.as_str());
    (breakers.collect(), bulkheads.collect())
}

/// Requirements 1.01 and 1.02: each name is a component of its own, and what happens to one happens to no other.
#[tokio::test(start_paused = true)]
async fn each_name_is_a_component_of_its_own() {
    let registry = Registry::default();
    let breakers = ["amqp", "database", "external_api", "llm_api"];
    let pools = [
        "api_agent",
        "llm_worker",
        "sensor_agent",
        "telegram_bot",
        "worker_agent",
    ];
    assert_eq!(
        names(&registry.health()),
        (breakers.to_vec(), pools.to_vec())
    );
    for (number, name) in breakers.into_iter().enumerate() {
        fail(&registry, name, 5).await;
        let open: Vec<_> = registry
            .health()
            .breakers
            .iter()
            .map(|one| one.state == State::Open)
            .collect();
        assert_eq!(open, [0, 1, 2, 3].map(|other| other <= number), "{name}");
    }
    for (number, name) in pools.into_iter().enumerate() {
        let pool = registry.bulkhead(name);
        // Until it is full.
        let slots: Vec<_> = std::iter::from_fn(|| pool.try_checkout().ok()).collect();
        let config = pool.config();
        let most = config.size + config.overflow;
        assert_eq!(u32::try_from(slots.len()), Ok(most));
        let busy = |one: &algedonic::resilience::registry::BulkheadHealth| one.busy > 0;
        let busy: Vec<_> = registry.health().bulkheads.iter().map(busy).collect();
        assert_eq!(busy, [0, 1, 2, 3, 4].map(|other| other == number), "{name}");
    }
}

/// Requirement 1.08: three failures open `llm_api` for two minutes, and a call may take 30 s.
#[tokio::test(start_paused = true)]
async fn a_language_model_has_numbers_of_its_own() {
    // By its name alone, too.
    for registry in [
        Registry::default(),
        Registry::builder().build().expect("valid"),
    ] {
        fail(&registry, "llm_api", 2).await;
        assert_eq!(registry.breaker("llm_api").state(), State::Closed);
        fail(&registry, "llm_api", 1).await;
        assert_eq!(registry.breaker("llm_api").state(), State::Open);
        let after = registry
            .breaker("llm_api")
            .status()
            .retry_after
            .expect("known");
        // Ten per cent of it is jitter.
        assert!((120 * SECOND..=132 * SECOND).contains(&after), "{after:?}");
        let almost = after.saturating_sub(Duration::from_millis(1));
        advance(almost).await;
        assert_eq!(registry.breaker("llm_api").state(), State::Open);
        advance(Duration::from_millis(1)).await;
        assert_eq!(registry.breaker("llm_api").state(), State::HalfOpen);
        succeed(&registry, "llm_api", 3).await;
        assert_eq!(registry.breaker("llm_api").state(), State::Closed);
    }
    let timeout = TimeoutLayer::named("llm_api", TimeoutConfig::llm_api()).expect("valid");
    let start = Instant::now();
    let hangs = timeout
        .handle()
        .call(pending::<Result<(), io::Error>>)
        .await;
    assert!(hangs.is_err());
    // Or a tick of the timer later.
    let after = start
        .elapsed()
        .checked_sub(30 * SECOND)
        .expect("not before");
    assert!(after <= Duration::from_millis(1), "{after:?}");
}

/// Requirement 1.12: five at a time and two more, ten in a second.
#[tokio::test(start_paused = true)]
async fn work_with_a_language_model_is_limited_in_number_and_in_rate() {
    let registry = Registry::default();
    let limit = RateLimitConfig::llm_worker().max_wait(10 * SECOND);
    let work = ServiceBuilder::new()
        .map_err(io::Error::other)
        .layer(RateLimitLayer::named("llm_worker", limit).expect("valid"))
        .layer(registry.bulkhead_layer("llm_worker"))
        .service(service_fn(|took: Duration| async move {
            tokio::time::sleep(took).await;
            Ok::<_, io::Error>(())
        }));
    let start = Instant::now();
    let calls = (0..30).map(|_| work.clone().oneshot(Duration::from_millis(10)));
    for end in futures_util::future::join_all(calls).await {
        end.expect("in time");
    }
    // Ten at once, five of them and two more at a time; then one each tenth of a second.
    assert_eq!(start.elapsed(), 2 * SECOND + Duration::from_millis(10));
    // And of calls that take long no more than seven run.
    let mut slow: Vec<_> = (0..10)
        .map(|_| Box::pin(work.clone().oneshot(60 * SECOND)))
        .collect();
    for call in &mut slow {
        assert!(call.now_or_never().is_none());
    }
    advance(SECOND).await;
    for call in &mut slow {
        assert!(call.now_or_never().is_none());
    }
    let pool = registry.bulkhead("llm_worker").status();
    assert_eq!((pool.running, pool.overflow, pool.waiting), (7, 2, 3));
}

/// Requirement 1.13: a helper for each of them, which is the component of its name.
#[tokio::test]
async fn each_has_a_helper() {
    let registry = Registry::builder().build().expect("valid");
    let called = Cell::new(0);
    let call = || {
        called.set(called.get() + 1);
        async { Ok::<_, io::Error>(called.get()) }
    };
    assert_eq!(registry.with_llm_breaker(call).await.expect("well"), 1);
    assert_eq!(registry.with_amqp_breaker(call).await.expect("well"), 2);
    assert_eq!(
        registry
            .with_external_api_breaker(call)
            .await
            .expect("well"),
        3
    );
    assert_eq!(registry.with_database_breaker(call).await.expect("well"), 4);
    assert_eq!(registry.with_worker_pool(call).await.expect("well"), 5);
    assert_eq!(registry.with_llm_pool(call).await.expect("well"), 6);
    assert_eq!(registry.with_sensor_pool(call).await.expect("well"), 7);
    assert_eq!(registry.with_api_pool(call).await.expect("well"), 8);
    assert_eq!(registry.with_telegram_pool(call).await.expect("well"), 9);
    let metrics = registry.metrics();
    let total = metrics.total();
    assert_eq!((total.breakers.succeeded, total.bulkheads.admitted), (4, 5));
    for breaker in &metrics.breakers {
        assert_eq!(breaker.counts.calls, 1, "{breaker:?}");
    }
    for pool in &metrics.bulkheads {
        assert_eq!(pool.counts.checkouts, 1, "{pool:?}");
    }
    assert_eq!(
        names(&registry.health()),
        names(&Registry::default().health())
    );
    // What was made for them has the numbers of its name.
    let standard = Registry::default();
    for breaker in names(&standard.health()).0 {
        assert_eq!(
            registry.breaker(breaker).config(),
            standard.breaker(breaker).config()
        );
    }
    for pool in names(&standard.health()).1 {
        assert_eq!(
            registry.bulkhead(pool).config(),
            standard.bulkhead(pool).config()
        );
    }
    // An open one does not call.
    registry.breaker("amqp").force_open();
    let rejected = registry.with_amqp_breaker(call).await;
    assert!(matches!(rejected, Err(breaker::Error::Open(_))));
    assert_eq!(called.get(), 9);
}

/// Requirement 1.22: by default three more attempts, `external_api` five; a service of one's own as it is configured;
/// each pause at most twice the one before, and not the same for all.
#[tokio::test(start_paused = true)]
async fn each_service_has_a_backoff_of_its_own() {
    let config = RetryConfig::default().max_retries(1).jitter(Jitter::None);
    let registry = Registry::builder()
        .retry("pricing", config.delays(2 * SECOND, 60 * SECOND))
        .build()
        .expect("valid");
    for (name, retries) in [("fetch", 3), ("external_api", 5), ("pricing", 1)] {
        let times = std::cell::RefCell::new(Vec::new());
        let attempt = || async {
            times.borrow_mut().push(Instant::now());
            Err::<(), _>(down())
        };
        let failed = registry.with_backoff(name, attempt).await;
        assert_eq!(failed.expect_err("all of them").kind(), down().kind());
        let times = times.into_inner();
        assert_eq!(times.len(), retries + 1, "{name}");
        let pauses: Vec<_> = times.windows(2).map(|two| two[1] - two[0]).collect();
        if name == "pricing" {
            assert_eq!(pauses, [2 * SECOND]);
        } else {
            for (number, pause) in pauses.iter().enumerate() {
                let most = Duration::from_millis(100 << number);
                assert!(*pause <= most, "{name}: {pauses:?}");
            }
        }
        assert_eq!(registry.retry(name).status().retries, retries as u64);
        assert_eq!(registry.retry(name).status().out_of_attempts, 1);
    }
    // What trying again cannot help is not tried again.
    let invalid = || async { Err::<(), _>(io::Error::from(io::ErrorKind::InvalidInput)) };
    registry
        .with_backoff("external_api", invalid)
        .await
        .expect_err("wrong");
    assert_eq!(registry.retry("external_api").status().retries, 5);
}

/// A configuration that names a standard component is what counts, and one of no name is the default.
#[test]
fn what_is_configured_goes_before_what_is_standard() {
    let trip = Trip::Consecutive {
        failure_threshold: 9,
    };
    let config = BreakerConfig::default().trip(trip);
    let registry = Registry::builder()
        .standard()
        .breaker("llm_api", config.clone());
    let registry = registry.build().expect("valid");
    assert_eq!(registry.breaker("llm_api").config(), &config);
    assert_eq!(
        registry.breaker("pricing").config(),
        &BreakerConfig::default()
    );
    assert_eq!(
        registry.bulkhead("pricing").config(),
        BulkheadConfig::default()
    );
}
