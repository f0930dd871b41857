use std::{io, time::Duration};

use algedonic::{
    Alarms, Bus, Feeling, Level, Signal, SignalSubscription, Status,
    resilience::{
        bulkhead::BulkheadConfig,
        registry::{Health, Registry},
    },
};
use tokio::time::{Instant, advance};

use super::{fail, succeed};

const SECOND: Duration = Duration::from_secs(1);

/// A bus that hears of what happens to a registry.
fn scene() -> (Bus, SignalSubscription, Registry) {
    let bus = Bus::local();
    let signals = bus.signals();
    let pool = BulkheadConfig::default().size(1).overflow(0).queue(0);
    let registry = Registry::builder()
        .standard()
        .bulkhead("narrow", pool)
        .critical("database")
        .observer(bus.alarms(Alarms::new()))
        .build()
        .expect("valid");
    (bus, signals, registry)
}

/// The next signal: what it feels, how much, and of what.
async fn next(signals: &mut SignalSubscription) -> (Feeling, Level, String) {
    // Time is paused: it passes when there is nothing else to do.
    let signal = tokio::time::timeout(600 * SECOND, signals.recv())
        .await
        .expect("a signal");
    let signal: &Signal = &signal.expect("open").expect("no gap");
    (signal.feeling, signal.level, signal.metric.clone())
}

/// The next two, in the order of their metrics: which of two that come at once is the first is not said.
async fn next_two(signals: &mut SignalSubscription) -> [(Feeling, Level, String); 2] {
    let mut two = [next(signals).await, next(signals).await];
    two.sort_by(|one, other| one.2.cmp(&other.2));
    two
}

fn pain(level: Level, metric: &str) -> (Feeling, Level, String) {
    (Feeling::Pain, level, metric.to_owned())
}

fn pleasure(level: Level, metric: &str) -> (Feeling, Level, String) {
    (Feeling::Pleasure, level, metric.to_owned())
}

/// Requirements 1.19 and 1.20: pain when a breaker opens, pleasure when it has recovered and closed.
#[tokio::test(start_paused = true)]
async fn a_breaker_hurts_when_it_opens_until_it_has_recovered() {
    let (_bus, mut signals, registry) = scene();
    fail(&registry, "llm_api", 3).await;
    assert_eq!(
        next(&mut signals).await,
        pain(Level::High, "breaker.llm_api")
    );
    advance(132 * SECOND).await;
    // Half-open is not closed.
    succeed(&registry, "llm_api", 2).await;
    advance(60 * SECOND).await;
    succeed(&registry, "llm_api", 1).await;
    let closed = Instant::now();
    assert_eq!(
        next(&mut signals).await,
        pleasure(Level::High, "breaker.llm_api")
    );
    assert_eq!(
        closed.elapsed(),
        5 * SECOND,
        "when it has been well for a while"
    );
}

/// Requirement 1.19: pain when a bulkhead rejects; and it is over.
#[tokio::test(start_paused = true)]
async fn a_bulkhead_hurts_when_it_rejects() {
    let (_bus, mut signals, registry) = scene();
    let slot = registry.bulkhead("narrow").try_checkout().expect("free");
    let full = registry.with_pool("narrow", || async { Ok::<_, io::Error>(()) });
    full.await.expect_err("full");
    assert_eq!(
        next(&mut signals).await,
        pain(Level::Medium, "refused.narrow")
    );
    drop(slot);
    assert_eq!(
        next(&mut signals).await,
        pleasure(Level::Medium, "refused.narrow")
    );
}

/// Requirements 1.19 and 1.20: pain when health falls below each threshold, once, however long it lasts; pleasure when it
/// is restored.
#[tokio::test(start_paused = true)]
async fn health_hurts_below_each_threshold_until_it_is_restored() {
    let (bus, mut signals, registry) = scene();
    bus.include_health_of(&registry);
    let supervisor = registry.supervise(SECOND);
    assert_eq!(bus.health().status, Status::Healthy);

    registry.breaker("llm_api").force_open();
    let felt = [
        pain(Level::High, "breaker.llm_api"),
        pain(Level::Medium, "degraded.resilience"),
    ];
    assert_eq!(next_two(&mut signals).await, felt);
    assert_eq!(bus.health().status, Status::Degraded);

    tokio::time::sleep(60 * SECOND).await;
    registry.breaker("database").force_open();
    let felt = [
        pain(Level::High, "breaker.database"),
        pain(Level::Critical, "unhealthy.resilience"),
    ];
    assert_eq!(next_two(&mut signals).await, felt);
    assert_eq!(bus.health().status, Status::Unhealthy);

    // Better, not well.
    registry.breaker("database").reset();
    let better = Instant::now();
    let felt = [
        pleasure(Level::High, "breaker.database"),
        pleasure(Level::Critical, "unhealthy.resilience"),
    ];
    assert_eq!(next_two(&mut signals).await, felt);
    // A second at most until somebody looks, and then the hold.
    assert!(better.elapsed() <= 6 * SECOND, "{:?}", better.elapsed());

    registry.breaker("llm_api").reset();
    let felt = [
        pleasure(Level::High, "breaker.llm_api"),
        pleasure(Level::Medium, "degraded.resilience"),
    ];
    assert_eq!(next_two(&mut signals).await, felt);
    assert_eq!(bus.health().status, Status::Healthy);
    drop(supervisor);
}

/// Requirement 1.19: what is below a threshold and above it again, faster than the hold, is one pain.
#[tokio::test(start_paused = true)]
async fn health_that_flaps_hurts_once() {
    let (_bus, mut signals, registry) = scene();
    let flaps = async || {
        for _ in 0..10 {
            registry.breaker("llm_api").force_open();
            assert_eq!(registry.check().health.overall, Health::Degraded);
            tokio::time::sleep(SECOND).await;
            registry.breaker("llm_api").reset();
            assert_eq!(registry.check().health.overall, Health::Healthy);
            tokio::time::sleep(4 * SECOND).await;
        }
    };
    flaps().await;
    let mut felt = Vec::new();
    for _ in 0..4 {
        felt.push(next(&mut signals).await);
    }
    assert_eq!(
        felt,
        [
            pain(Level::High, "breaker.llm_api"),
            pain(Level::Medium, "degraded.resilience"),
            pleasure(Level::High, "breaker.llm_api"),
            pleasure(Level::Medium, "degraded.resilience"),
        ]
    );
}

/// Requirement 1.21: the report of a registry is part of the health of its bus, as long as there is a registry.
#[tokio::test(start_paused = true)]
async fn the_health_of_a_registry_is_part_of_that_of_the_bus() {
    let bus = Bus::local();
    assert!(bus.health().resilience.is_none());
    let registry = Registry::builder().standard().critical("database").build();
    let registry = registry.expect("valid");
    bus.include_health_of(&registry);
    let health = bus.health();
    assert_eq!(health.resilience, Some(registry.health()));
    assert_eq!(health.to_string(), "healthy, no mirror, resilience healthy");

    fail(&registry, "database", 5).await;
    let health = bus.health();
    assert_eq!(health.status, Status::Unhealthy);
    assert_eq!(
        health.resilience.as_ref().expect("there").overall,
        Health::Unhealthy
    );
    assert_eq!(
        health.to_string(),
        "unhealthy, no mirror, resilience unhealthy: database open"
    );
    // A closed bus is closed, whatever else.
    let other = Bus::local();
    other.include_health_of(&registry);
    other.shutdown(SECOND).await;
    assert_eq!(other.health().status, Status::Closed);
    // And the bus keeps nothing.
    drop(registry);
    assert_eq!(bus.health().to_string(), "healthy, no mirror");
}
