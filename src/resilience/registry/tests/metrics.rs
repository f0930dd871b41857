//! What a registry counts, against a plain count of what callers saw.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;

use crate::resilience::{
    Class, Classify, Kind,
    breaker::{self, BreakerConfig, BreakerLayer, OnCancel, Trip},
    bulkhead::{self, BulkheadConfig, Slot},
    probe::{Failed, paused},
    registry::{BreakerCounts, BulkheadCounts, Registry, Totals},
};

const NAMES: [&str; 2] = ["llm_api", "database"];

/// What is done with one of two breakers, or two bulkheads.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A call that succeeds, or fails so.
    Call(Option<Kind>),
    CallWhatPanics,
    /// A call that is let go after it has waited so long.
    Cancel(u64),
    ForceOpen,
    Reset,
    Disable,
    /// Asks for a slot, and waits.
    Enter,
    TryEnter,
    /// Gives one of the slots back.
    Leave(usize),
    /// One of those who wait goes.
    GoAway(usize),
    /// Seconds.
    Tick(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let kind = prop::sample::select(vec![
        None,
        None,
        Some(Kind::Cancelled),
        Some(Kind::Dependency),
        Some(Kind::Invalid),
        Some(Kind::LocalRejection),
        Some(Kind::Timeout),
    ]);
    prop_oneof![
        8 => kind.prop_map(Act::Call),
        1 => Just(Act::CallWhatPanics),
        2 => (0..4_u64).prop_map(Act::Cancel),
        1 => Just(Act::ForceOpen),
        2 => Just(Act::Reset),
        1 => Just(Act::Disable),
        6 => Just(Act::Enter),
        2 => Just(Act::TryEnter),
        3 => any::<usize>().prop_map(Act::Leave),
        2 => any::<usize>().prop_map(Act::GoAway),
        3 => (0..4_u64).prop_map(Act::Tick),
    ]
}

#[derive(Default)]
struct Pool {
    held: Vec<Slot>,
    waiting: Vec<Pin<Box<bulkhead::Checkout>>>,
}

/// Counts what callers see, and nothing else.
#[derive(Clone, Copy, Default)]
struct Model {
    breaker: BreakerCounts,
    bulkhead: BulkheadCounts,
}

impl Model {
    fn saw(&mut self, result: Result<Result<(), breaker::Error<Failed>>, ()>) {
        self.breaker.calls += 1;
        let count = match result {
            Ok(Ok(())) => &mut self.breaker.succeeded,
            Ok(Err(breaker::Error::Open(_))) => &mut self.breaker.rejected,
            Err(()) => &mut self.breaker.failed,
            Ok(Err(breaker::Error::Inner(error))) => match error.class().kind() {
                Kind::Dependency | Kind::Timeout => &mut self.breaker.failed,
                _ => &mut self.breaker.ignored,
            },
        };
        *count += 1;
    }

    fn answered(&mut self, answer: Result<Slot, crate::resilience::Rejection>, pool: &mut Pool) {
        use crate::resilience::Reason;
        self.bulkhead.checkouts += 1;
        match answer {
            Ok(slot) => {
                self.bulkhead.admitted += 1;
                pool.held.push(slot);
            }
            Err(rejection) if rejection.reason() == Reason::BulkheadTimeout => {
                self.bulkhead.timed_out += 1;
            }
            Err(_) => self.bulkhead.rejected += 1,
        }
    }

    fn settle(&mut self, pool: &mut Pool) {
        let mut waiting = std::mem::take(&mut pool.waiting);
        waiting.retain_mut(|checkout| match checkout.as_mut().now_or_never() {
            None => true,
            Some(answer) => {
                self.answered(answer, pool);
                false
            }
        });
        pool.waiting = waiting;
    }
}

async fn play(registry: &Registry, acts: &[(usize, Act)]) -> [Model; 2] {
    let mut models = [Model::default(); 2];
    let mut pools = [Pool::default(), Pool::default()];
    for (which, act) in acts {
        let (name, model, pool) = (NAMES[*which], &mut models[*which], &mut pools[*which]);
        match *act {
            Act::Call(error) => {
                let error = error.map(|kind| Failed(Class::of(kind)));
                let call = || async move { error.map_or(Ok(()), Err) };
                model.saw(Ok(registry.with_breaker(name, call).await));
            }
            Act::CallWhatPanics => {
                let run = || registry.breaker(name).call_blocking(|| panic!("planted"));
                model.saw(catch_unwind(AssertUnwindSafe(run)).map_err(drop));
            }
            Act::Cancel(seconds) => {
                let call = registry.with_breaker(name, pending::<Result<(), Failed>>);
                let mut call = Box::pin(call);
                if let Some(rejected) = call.as_mut().now_or_never() {
                    model.saw(Ok(rejected));
                } else {
                    advance(Duration::from_secs(seconds)).await;
                    drop(call);
                    let kind = if seconds >= 2 {
                        Kind::Timeout
                    } else {
                        Kind::Cancelled
                    };
                    model.saw(Ok(Err(breaker::Error::Inner(Failed::of(kind)))));
                }
            }
            Act::ForceOpen => registry.breaker(name).force_open(),
            Act::Reset => registry.breaker(name).reset(),
            Act::Disable => registry.breaker(name).disable(),
            Act::Enter => pool
                .waiting
                .push(Box::pin(registry.bulkhead(name).checkout())),
            Act::TryEnter => model.answered(registry.bulkhead(name).try_checkout(), pool),
            Act::Leave(slot) if !pool.held.is_empty() => {
                drop(pool.held.swap_remove(slot % pool.held.len()));
            }
            Act::GoAway(one) if !pool.waiting.is_empty() => {
                drop(pool.waiting.remove(one % pool.waiting.len()));
            }
            Act::Leave(_) | Act::GoAway(_) => {}
            Act::Tick(seconds) => advance(Duration::from_secs(seconds)).await,
        }
        for (model, pool) in models.iter_mut().zip(&mut pools) {
            model.settle(pool);
        }
    }
    models
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Requirements 1.16 (call, rejected, failure), 1.17 (checkout, rejected, timeout) and 1.18 (aggregated).
    #[test]
    fn what_is_counted_is_what_callers_saw(
        acts in prop::collection::vec((0..2_usize, act()), 0..60),
        threshold in 1..5_u32,
    ) {
        let breaker = BreakerConfig::default()
            .trip(Trip::Consecutive { failure_threshold: threshold })
            .reset_timeout(Duration::from_secs(3))
            .on_cancel(OnCancel::FailureIfOlderThan(Duration::from_secs(2)));
        let pool = BulkheadConfig::default().size(2).overflow(1).queue(2);
        let pool = pool.max_wait(Duration::from_secs(2));
        let mut builder = Registry::builder();
        for name in NAMES {
            builder = builder.breaker(name, breaker.clone()).bulkhead(name, pool.clone());
        }
        let registry = builder.build().expect("valid");
        let models = paused().block_on(play(&registry, &acts));
        let metrics = registry.metrics();
        let mut total = Totals::default();
        for (name, model) in NAMES.iter().zip(models) {
            prop_assert_eq!(metrics.breaker(name).expect("there").counts, model.breaker);
            prop_assert_eq!(metrics.bulkhead(name).expect("there").counts, model.bulkhead);
            total.breakers += model.breaker;
            total.bulkheads += model.bulkhead;
        }
        prop_assert_eq!(metrics.total(), total);
    }
}

#[test]
fn metrics_are_what_their_documentation_shows() {
    let registry = Registry::builder()
        .breaker("llm_api", BreakerConfig::llm_api())
        .bulkhead("worker_agent", BulkheadConfig::worker_agent())
        .build()
        .expect("valid");
    let call = |result: Result<(), Failed>| registry.breaker("llm_api").call_blocking(|| result);
    for _ in 0..2 {
        assert_eq!(call(Ok(())), Ok(()));
    }
    let failed = Failed::of(Kind::Dependency);
    for _ in 0..3 {
        assert_eq!(call(Err(failed)), Err(breaker::Error::Inner(failed)));
    }
    for _ in 0..7 {
        assert!(call(Ok(())).is_err_and(|error| error.is_open()));
    }
    let pool = registry.bulkhead("worker_agent");
    let _slots: Vec<_> = (0..5).map(|_| pool.try_checkout().expect("free")).collect();
    assert_eq!(
        serde_json::to_value(registry.metrics()).expect("JSON"),
        serde_json::json!({
            "breakers": [{"name": "llm_api", "state": "open", "state_changes": 1,
                          "calls": 12, "succeeded": 2, "failed": 3, "ignored": 0, "rejected": 7}],
            "bulkheads": [{"name": "worker_agent", "available": 15, "busy": 5, "waiting": 0,
                           "checkouts": 5, "admitted": 5, "rejected": 0, "timed_out": 0}],
        })
    );
}

/// Who does not ask for it pays nothing for it.
#[test]
fn a_breaker_counts_every_call_only_if_it_is_told_to() {
    let call = |builder: breaker::BreakerBuilder| {
        let breaker = builder.build().expect("valid").handle();
        breaker.call_blocking(|| Ok::<_, Failed>(())).expect("well");
        breaker.status().others
    };
    let builder = || BreakerLayer::builder(BreakerConfig::default());
    assert_eq!(call(builder()), None);
    let others = call(builder().count_calls()).expect("told to");
    assert_eq!((others.succeeded, others.ignored), (1, 0));
}
