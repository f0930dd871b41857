//! Who looks after a registry, and whom it tells.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::{Instant, advance};

use crate::resilience::{
    Notice, Observer, What,
    breaker::BreakerConfig,
    bulkhead::BulkheadConfig,
    probe::paused,
    registry::{Health, Registry, RegistryBuilder, Report},
};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    reports: Vec<(Instant, Report)>,
    changes: Vec<(Health, Health, u64)>,
}

impl Observer for Told {
    fn notice(&self, notice: Notice) {
        if let What::Health { from, to } = notice.what {
            assert_eq!(notice.name.as_str(), "resilience");
            let change = (from, to, notice.generation);
            self.0.lock().expect("whole").changes.push(change);
        }
    }

    fn report(&self, report: &Report) {
        let heard = (Instant::now(), report.clone());
        self.0.lock().expect("whole").reports.push(heard);
    }
}

impl Told {
    fn reports(&self) -> usize {
        self.0.lock().expect("whole").reports.len()
    }
}

fn builder() -> RegistryBuilder {
    Registry::builder()
        .breaker("database", BreakerConfig::database())
        .breaker("other", BreakerConfig::default())
        .breaker("third", BreakerConfig::default())
        .bulkhead("pool", BulkheadConfig::default().size(2))
        .critical("database")
}

/// Lets tasks run.
async fn settle() {
    for _ in 0..5 {
        tokio::task::yield_now().await;
    }
}

/// Requirements 1.03, 1.17 (metrics, periodic) and 1.18: one supervisor tells health and metrics, once in its period,
/// until it is dropped.
#[tokio::test(start_paused = true)]
async fn a_supervisor_reports_once_in_its_period_until_it_is_dropped() {
    let told = Told::default();
    let registry = builder().observer(told.clone()).build().expect("valid");
    let _slot = registry.bulkhead("pool").try_checkout().expect("free");
    settle().await;
    assert_eq!(told.reports(), 0, "without a supervisor nobody looks");
    let (start, supervisor) = (Instant::now(), registry.supervise(10 * SECOND));
    for periods in 0..5 {
        settle().await;
        assert_eq!(told.reports(), periods + 1);
        advance(9 * SECOND + Duration::from_millis(999)).await;
        settle().await;
        assert_eq!(told.reports(), periods + 1);
        advance(Duration::from_millis(1)).await;
    }
    settle().await;
    drop(supervisor);
    advance(100 * SECOND).await;
    settle().await;
    let heard = told.0.lock().expect("whole");
    let times: Vec<_> = heard.reports.iter().map(|(at, _)| *at - start).collect();
    assert_eq!(times, [0, 10, 20, 30, 40, 50].map(Duration::from_secs));
    let (_, last) = heard.reports.last().expect("some");
    assert_eq!(last.name.as_str(), "resilience");
    let pool = last.metrics.bulkhead("pool").expect("there");
    assert_eq!((pool.available, pool.busy, pool.waiting), (1, 1, 0));
    assert_eq!(pool.counts.checkouts, 1);
    assert_eq!(last.health.overall, Health::Healthy);
    assert!(heard.changes.is_empty());
}

/// Requirement 1.18: health is told when it has changed; a panic of one observer is not another's.
#[tokio::test(start_paused = true)]
async fn a_change_of_health_is_told_once() {
    let told = Told::default();
    let registry = builder()
        .observer(|_: Notice| panic!("planted"))
        .observer(told.clone())
        .build()
        .expect("valid");
    // Two of them find the same.
    let supervisors = [registry.supervise(SECOND), registry.supervise(SECOND)];
    settle().await;
    registry.breaker("other").force_open();
    advance(SECOND).await;
    settle().await;
    registry.breaker("database").force_open();
    advance(SECOND).await;
    settle().await;
    registry.breaker("database").reset();
    registry.breaker("other").reset();
    for _ in 0..5 {
        advance(SECOND).await;
        settle().await;
    }
    let (healthy, degraded, unhealthy) = (Health::Healthy, Health::Degraded, Health::Unhealthy);
    assert_eq!(
        told.0.lock().expect("whole").changes,
        [
            (healthy, degraded, 1),
            (degraded, unhealthy, 2),
            (unhealthy, healthy, 3)
        ]
    );
    drop(supervisors);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// However breakers go: what is told is each change of what a look finds, in order.
    #[test]
    fn changes_are_those_between_looks(steps in prop::collection::vec((0..3_usize, any::<bool>(), any::<bool>()), 0..30)) {
        let told = Told::default();
        let registry = builder().observer(told.clone()).build().expect("valid");
        let expected = paused().block_on(async {
            let (mut expected, mut before) = (Vec::new(), Health::Healthy);
            for (which, opens, looks) in steps {
                let breaker = registry.breaker(["database", "other", "third"][which]);
                if opens { breaker.force_open() } else { breaker.reset() }
                if looks {
                    let now = registry.health().overall;
                    assert_eq!(registry.check().health.overall, now);
                    if now != before {
                        expected.push((before, now, expected.len() as u64 + 1));
                    }
                    before = now;
                }
            }
            expected
        });
        prop_assert_eq!(&told.0.lock().expect("whole").changes, &expected);
    }
}

/// An observer may use the registry: no lock is held.
#[tokio::test(start_paused = true)]
async fn a_report_holds_no_lock() {
    #[derive(Clone, Default)]
    struct Uses(Arc<Mutex<(Option<Registry>, u32)>>);
    impl Observer for Uses {
        fn notice(&self, _: Notice) {}
        fn report(&self, _: &Report) {
            let registry = self.0.lock().expect("whole").0.clone();
            if let Some(registry) = registry {
                // Makes a new one, which locks for writing.
                registry.breaker("new").force_open();
                registry.health();
                self.0.lock().expect("whole").1 += 1;
            }
        }
    }
    let uses = Uses::default();
    let registry = builder().observer(uses.clone()).build().expect("valid");
    uses.0.lock().expect("whole").0 = Some(registry.clone());
    registry.check();
    assert_eq!(uses.0.lock().expect("whole").1, 1, "it ran to its end");
    uses.0.lock().expect("whole").0 = None;
}

#[tokio::test]
#[should_panic(expected = "a supervisor needs a period")]
async fn a_period_of_zero_is_refused() {
    drop(Registry::default().supervise(Duration::ZERO));
}

/// A task that nobody waits for ends with the supervisor, and lets go of the registry.
#[tokio::test(start_paused = true)]
async fn a_supervisor_that_is_dropped_keeps_nothing() {
    let told = Told::default();
    let alive = Arc::downgrade(&told.0);
    let registry = builder().observer(told).build().expect("valid");
    let supervisor = registry.supervise(SECOND);
    assert_eq!(supervisor.registry().name(), registry.name());
    settle().await;
    drop((registry, supervisor));
    settle().await;
    assert!(alive.upgrade().is_none());
    assert!(tokio::task::yield_now().now_or_never().is_none());
}
