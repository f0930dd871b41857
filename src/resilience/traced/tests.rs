use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::advance;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::with_default,
};

use super::Traced;
use crate::resilience::{
    Kind, Name, Notice, Observer, Reason, What,
    breaker::BreakerConfig,
    bulkhead::BulkheadConfig,
    probe::{Failed, paused},
    registry::Registry,
    retry::GaveUp,
};

const SECOND: Duration = Duration::from_secs(1);

/// An event: its level, its name, and what is in it.
type Line = (Level, &'static str, BTreeMap<&'static str, String>);

/// Keeps what is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Line>>>);

struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "algedonic::resilience"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = (*metadata.level(), metadata.name(), fields.0);
        self.0.lock().expect("whole").push(line);
    }
}

impl Log {
    /// What was written since this was last asked, as `component name field=value …`, without what is in others.
    fn lines(&self, fields: &[&str]) -> Vec<(Level, String)> {
        let lines = std::mem::take(&mut *self.0.lock().expect("whole"));
        let line = |(level, name, all): Line| {
            assert_eq!(all["message"], name, "for who prints no names");
            let mut line = format!("{} {name}", all["component"]);
            for field in fields.iter().filter(|field| all.contains_key(*field)) {
                line.extend([" ", field, "=", &all[*field]]);
            }
            (level, line)
        };
        lines.into_iter().map(line).collect()
    }
}

fn line(level: Level, line: &str) -> (Level, String) {
    (level, line.to_owned())
}

async fn call(registry: &Registry, result: Result<(), Failed>) {
    let _ = registry
        .with_breaker("llm_api", || async move { result })
        .await;
}

/// Requirement 1.16: `state_change`, rejected, failure, and calls, which are counted.
#[test]
fn a_breaker_writes_its_events_by_their_names() {
    let log = Log::default();
    with_default(log.clone(), || {
        paused().block_on(async {
            let registry = Registry::builder()
                .breaker("llm_api", BreakerConfig::llm_api().reset_jitter(0.0))
                .observer(Traced)
                .build()
                .expect("valid");
            call(&registry, Ok(())).await;
            assert!(log.lines(&[]).is_empty(), "a call that succeeds is none");
            for _ in 0..3 {
                call(&registry, Err(Failed::of(Kind::Dependency))).await;
            }
            assert_eq!(
                log.lines(&["from", "to", "generation", "count"]),
                [
                    // The first of a second; those after it are told with the next.
                    line(Level::WARN, "llm_api breaker.failure count=1"),
                    line(Level::WARN, "llm_api breaker.state_change from=closed to=open generation=1"),
                ]
            );
            for _ in 0..5 {
                call(&registry, Ok(())).await;
            }
            advance(SECOND).await;
            call(&registry, Ok(())).await;
            let rejected = |count| line(Level::WARN, &format!("llm_api breaker.rejected count={count}"));
            assert_eq!(log.lines(&["count"]), [rejected(1), rejected(5)]);
            advance(120 * SECOND).await;
            for _ in 0..3 {
                call(&registry, Ok(())).await;
            }
            assert_eq!(
                log.lines(&["from", "to"]),
                [
                    line(Level::INFO, "llm_api breaker.state_change from=open to=half-open"),
                    line(Level::INFO, "llm_api breaker.state_change from=half-open to=closed"),
                ]
            );
            registry.check();
            assert_eq!(
                log.lines(&["state", "calls", "succeeded", "failed", "ignored", "rejected"])[0],
                line(
                    Level::DEBUG,
                    "llm_api breaker.metrics state=closed calls=13 succeeded=4 failed=3 ignored=0 rejected=6"
                )
            );
        });
    });
}

/// Requirement 1.17: rejected, timeout, metrics, and checkouts, which are counted.
#[test]
fn a_bulkhead_writes_its_events_by_their_names() {
    let log = Log::default();
    with_default(log.clone(), || {
        paused().block_on(async {
            let pool = BulkheadConfig::default().size(1).overflow(1).queue(1);
            let registry = Registry::builder()
                .bulkhead("llm_worker", pool.max_wait(SECOND))
                .observer(Traced)
                .build()
                .expect("valid");
            let pool = registry.bulkhead("llm_worker");
            let slots = [pool.try_checkout(), pool.try_checkout()];
            assert!(pool.try_checkout().is_err());
            assert!(pool.checkout().await.is_err(), "waits too long");
            assert_eq!(
                log.lines(&["count"]),
                [
                    line(Level::INFO, "llm_worker bulkhead.overflow count=1"),
                    line(Level::WARN, "llm_worker bulkhead.rejected count=1"),
                    line(Level::WARN, "llm_worker bulkhead.timeout count=1"),
                ]
            );
            registry.check();
            assert_eq!(
                log.lines(&["available", "busy", "waiting", "checkouts", "admitted", "rejected", "timed_out"])
                    .into_iter()
                    .find(|(_, line)| line.contains("bulkhead.metrics")),
                Some(line(
                    Level::DEBUG,
                    "llm_worker bulkhead.metrics available=0 busy=2 waiting=0 checkouts=4 admitted=2 rejected=1 timed_out=1"
                ))
            );
            drop(slots);
        });
    });
}

/// Requirement 1.18: health and metrics of the whole, in the period of a supervisor.
#[test]
fn a_supervisor_writes_its_events_by_their_names() {
    let log = Log::default();
    with_default(log.clone(), || {
        paused().block_on(async {
            let registry = Registry::builder()
                .name("shop")
                .breaker("llm_api", BreakerConfig::llm_api())
                .breaker("database", BreakerConfig::database())
                .critical("database")
                .observer(Traced)
                .build()
                .expect("valid");
            call(&registry, Ok(())).await;
            let supervisor = registry.supervise(SECOND);
            let after_a_period = async |fields: &[&str]| {
                tokio::time::sleep(SECOND).await;
                let lines = log.lines(fields).into_iter();
                lines
                    .filter(|(_, line)| line.starts_with("shop "))
                    .collect::<Vec<_>>()
            };
            let metrics = |calls| {
                line(
                    Level::DEBUG,
                    &format!("shop resilience.metrics calls={calls}"),
                )
            };
            let fields = ["from", "to", "overall", "calls"];
            let quiet = line(Level::DEBUG, "shop resilience.health overall=healthy");
            let looks = after_a_period(&fields).await;
            assert_eq!(looks[..2], [metrics(1), quiet.clone()]);
            for (open, level, from, to) in [
                ("llm_api", Level::WARN, "healthy", "degraded"),
                ("database", Level::ERROR, "degraded", "unhealthy"),
            ] {
                registry.breaker(open).force_open();
                let looks = after_a_period(&fields).await;
                assert_eq!(
                    looks[..3],
                    [
                        line(
                            level,
                            &format!("shop resilience.health from={from} to={to}")
                        ),
                        metrics(1),
                        line(
                            Level::DEBUG,
                            &format!("shop resilience.health overall={to}")
                        ),
                    ]
                );
            }
            registry.breaker("llm_api").reset();
            registry.breaker("database").reset();
            let looks = after_a_period(&fields).await;
            let restored = "shop resilience.health from=unhealthy to=healthy";
            assert_eq!(looks[..3], [line(Level::INFO, restored), metrics(1), quiet]);
            drop(supervisor);
        });
    });
}

/// Each thing that can happen has a name and a level of its own.
#[test]
fn the_other_layers_have_names_too() {
    let log = Log::default();
    with_default(log.clone(), || {
        paused().block_on(async {
            for what in [
                What::Rejected(Reason::RateLimited),
                What::Rejected(Reason::Shed),
                What::GaveUp(GaveUp::Attempts),
                What::TimedOut,
                What::FellBack,
            ] {
                Traced.notice(Notice {
                    name: Name::from_static("pricing"),
                    what,
                    generation: 0,
                    count: 2,
                    at: tokio::time::Instant::now(),
                });
            }
            assert_eq!(
                log.lines(&["count", "why"]),
                [
                    line(Level::WARN, "pricing rate_limit.rejected count=2"),
                    line(Level::WARN, "pricing load_shed.rejected count=2"),
                    line(Level::WARN, "pricing retry.gave_up count=2 why=Attempts"),
                    line(Level::WARN, "pricing timeout.elapsed count=2"),
                    line(Level::INFO, "pricing fallback.used count=2"),
                ]
            );
        });
    });
}
