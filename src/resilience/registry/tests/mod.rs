mod metrics;
mod supervisor;

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::{sync::oneshot, time::advance};
use tower::{Layer, Service, service_fn};

use super::{
    Health, Registry,
    rule::{Part, overall},
};
use crate::resilience::{
    Notice, What,
    breaker::{BreakerConfig, Error, State, Trip},
    bulkhead::{self, BulkheadConfig},
};

/// A dependency that fails so many times in a row.
async fn fail(registry: &Registry, breaker: &'static str, times: u32) {
    for _ in 0..times {
        let call = || async { Err::<(), _>(io::Error::other("down")) };
        let failed = registry.with_breaker(breaker, call).await;
        assert!(matches!(failed, Err(Error::Inner(_))), "{failed:?}");
    }
}

fn states() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::Closed,
        State::Disabled,
        State::HalfOpen,
        State::Open,
        State::ForcedOpen,
    ])
}

/// How bad it is that a breaker is so.
fn badness(state: State) -> u8 {
    match state {
        State::Closed | State::Disabled => 0,
        State::HalfOpen => 1,
        State::Open | State::ForcedOpen => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn he_1_a_part_that_gets_worse_never_makes_the_whole_better(
        parts in prop::collection::vec((states(), any::<bool>()), 1..8),
        at: prop::sample::Index,
        to in states(),
        rejecting: (bool, bool),
    ) {
        let mut parts: Vec<_> = parts
            .into_iter()
            .map(|(state, is_critical)| Part { state, is_critical })
            .collect();
        let at = at.index(parts.len());
        let (better, worse) = if badness(parts[at].state) <= badness(to) {
            (parts[at].state, to)
        } else {
            (to, parts[at].state)
        };
        parts[at].state = better;
        let before = overall(&parts, rejecting.0 && rejecting.1);
        parts[at].state = worse;
        prop_assert!(overall(&parts, rejecting.0 || rejecting.1) >= before, "{parts:?}");
    }

    /// The rule once more, by counting.
    #[test]
    fn he_1_the_whole_is_what_its_parts_say(
        parts in prop::collection::vec((states(), any::<bool>()), 0..8),
        is_rejecting: bool,
    ) {
        let (mut open, mut half, mut critical) = (0, 0, 0);
        for (state, is_critical) in &parts {
            match badness(*state) {
                2 if *is_critical => critical += 1,
                1 => half += 1,
                _ => {}
            }
            open += u32::from(badness(*state) == 2);
        }
        let expected = match (critical, 2 * open > u32::try_from(parts.len()).expect("few")) {
            (0, false) if open + half == 0 && !is_rejecting => Health::Healthy,
            (0, false) => Health::Degraded,
            _ => Health::Unhealthy,
        };
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(state, is_critical)| Part { state, is_critical })
            .collect();
        prop_assert_eq!(overall(&parts, is_rejecting), expected);
    }
}

/// Requirements 1.01, 1.02, 1.08, 1.11 and 1.12.
#[test]
fn the_standard_components_have_the_numbers_of_the_requirements() {
    let registry = Registry::default();
    let report = registry.health();
    let breakers: Vec<_> = report
        .breakers
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(breakers, ["amqp", "database", "external_api", "llm_api"]);
    let bulkheads: Vec<_> = report
        .bulkheads
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        bulkheads,
        [
            "api_agent",
            "llm_worker",
            "sensor_agent",
            "telegram_bot",
            "worker_agent"
        ]
    );
    assert_eq!(report.overall, Health::Healthy);
    let llm = registry.breaker("llm_api");
    assert_eq!(llm.config().reset_timeout, Duration::from_secs(120));
    let five = Trip::Consecutive {
        failure_threshold: 5,
    };
    assert_eq!(registry.breaker("amqp").config().trip, five);
    let pool = registry.bulkhead("llm_worker").config();
    assert_eq!((pool.size, pool.overflow), (5, 2));
    let pool = registry.bulkhead("worker_agent").config();
    assert_eq!((pool.size, pool.overflow), (20, 10));
    assert_eq!(pool.max_wait, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_is_one_by_whatever_way_it_is_asked_for() {
    let registry = Registry::default();
    let service = service_fn(|()| async { Ok::<_, io::Error>(()) });
    let mut service = registry.clone().breaker_layer("llm_api").layer(service);
    fail(&registry, "llm_api", 3).await;
    assert_eq!(registry.breaker("llm_api").state(), State::Open);
    let refused = service.call(()).await;
    assert!(matches!(refused, Err(Error::Open(_))), "{refused:?}");
    // One of four.
    assert_eq!(registry.health().overall, Health::Degraded);
    registry.breaker("llm_api").reset();
    assert_eq!(registry.health().overall, Health::Healthy);
}

#[tokio::test(start_paused = true)]
async fn without_a_critical_breaker_nothing_is_well() {
    let registry = Registry::builder().standard().critical("database");
    let registry = registry.build().expect("valid");
    fail(&registry, "database", 5).await;
    let report = registry.health();
    assert_eq!(report.overall, Health::Unhealthy);
    let database = &report.breakers[1];
    assert!(
        database.critical && database.state == State::Open,
        "{database:?}"
    );
    // Half-open, it is being tried.
    advance(Duration::from_secs(67)).await;
    assert_eq!(registry.health().overall, Health::Degraded);
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_rejects_until_it_has_not_for_a_while() {
    let config = BulkheadConfig::default().size(1).overflow(0).queue(0);
    let registry = Registry::builder().bulkhead("narrow", config);
    let registry = registry.build().expect("valid");
    let (end, ended) = oneshot::channel::<()>();
    let mut busy = Box::pin(registry.with_pool("narrow", || ended));
    assert!(busy.as_mut().now_or_never().is_none());
    let report = registry.health();
    assert_eq!(
        (report.bulkheads[0].available, report.bulkheads[0].busy),
        (0, 1)
    );
    assert_eq!(report.overall, Health::Healthy, "busy is not ill");
    let refused = registry.with_pool("narrow", || async { Ok::<_, io::Error>(()) });
    assert!(matches!(refused.await, Err(bulkhead::Error::Full(_))));
    end.send(()).expect("it waits");
    busy.await.expect("it has ended");
    for (after, overall) in [(4999, Health::Degraded), (1, Health::Healthy)] {
        advance(Duration::from_millis(after)).await;
        let report = registry.health();
        assert_eq!(report.overall, overall);
        assert_eq!(report.bulkheads[0].rejecting, overall == Health::Degraded);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_of_all() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (telling, all) = (Arc::clone(&told), BulkheadConfig::default().size(1));
    let registry = Registry::builder()
        .breaker("one", BreakerConfig::default())
        .bulkhead("narrow", all.overflow(0).queue(0))
        .observer(move |notice: Notice| telling.lock().expect("whole").push(notice))
        .build()
        .expect("valid");
    fail(&registry, "one", 5).await;
    // One that is made later is heard, too.
    registry.breaker("two").force_open();
    let _slot = registry.bulkhead("narrow").try_checkout().expect("free");
    assert!(registry.bulkhead("narrow").try_checkout().is_err());
    let told = told.lock().expect("whole");
    let names: Vec<_> = told.iter().map(|notice| notice.name.as_str()).collect();
    // The first failure at once; those of the same second would be told with the next.
    assert_eq!(names, ["one", "one", "two", "narrow"]);
    assert_eq!((told[0].what, told[0].count), (What::Failed, 1));
    assert!(matches!(
        told[1].what,
        What::Breaker {
            to: State::Open,
            ..
        }
    ));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let config = BulkheadConfig::default().size(0);
    let error = Registry::builder().bulkhead("none", config).build();
    let error = error.expect_err("no slots").to_string();
    assert!(error.contains("size"), "{error}");
}

#[test]
fn a_name_that_is_asked_for_by_many_at_once_is_made_once() {
    let registry = Registry::builder().build().expect("valid");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                registry
                    .breaker("new")
                    .call_blocking(|| Err::<(), _>(io::Error::other("")))
            });
        }
    });
    let status = registry.breaker("new").status();
    assert_eq!(status.failed + status.rejected, 8, "of one breaker");
}

/// Requirement 1.21.
#[test]
fn a_report_is_what_its_documentation_shows() {
    let registry = Registry::builder()
        .breaker("llm_api", BreakerConfig::llm_api())
        .breaker("other", BreakerConfig::default())
        .bulkhead("worker_agent", BulkheadConfig::worker_agent())
        .build()
        .expect("valid");
    registry.breaker("llm_api").force_open();
    for _ in 0..7 {
        let refused = registry
            .breaker("llm_api")
            .call_blocking(|| Ok::<_, io::Error>(()));
        assert!(refused.is_err());
    }
    let pool = registry.bulkhead("worker_agent");
    let _slots: Vec<_> = (0..5).map(|_| pool.try_checkout().expect("free")).collect();
    assert_eq!(
        serde_json::to_value(registry.health()).expect("JSON"),
        serde_json::json!({
            "overall": "degraded",
            "breakers": [
                {"name": "llm_api", "state": "forced_open", "failure_count": 0, "critical": false, "rejected": 7},
                {"name": "other", "state": "closed", "failure_count": 0, "critical": false, "rejected": 0},
            ],
            "bulkheads": [
                {"name": "worker_agent", "available": 15, "busy": 5, "waiting": 0, "rejecting": false},
            ],
        })
    );
}
