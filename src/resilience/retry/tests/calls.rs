use std::{
    pin::pin,
    sync::{Arc, Mutex, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::{Instant, advance};
use tower::{Layer, Service};
use tower_resilience_core::testing::ControlledServiceClosed;

use super::{attempts::kind, backoff::jitter};
use crate::resilience::{
    Kind,
    acts::acts,
    contract,
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, MILLI, Probe, call, paused, poll},
    retry::{
        Budget, BudgetConfig, Decision, EveryError, Jitter, ResponseFuture, Retry, RetryConfig,
        RetryHandle, RetryLayer,
    },
    rig::{End, Rig},
};

fn answer() -> impl Strategy<Value = Answer> + Clone {
    prop_oneof![
        8 => Just(Answer::Works),
        12 => kind().prop_map(|kind| Answer::Fails(Failed::of(kind))),
        1 => Just(Answer::Panics),
    ]
}

fn configs() -> impl Strategy<Value = RetryConfig> {
    let budget = prop_oneof![
        Just(Budget::Unlimited),
        Just(Budget::default()),
        Just(
            BudgetConfig::default()
                .ratio(0.5)
                .per_second(0)
                .saved(1)
                .into()
        ),
    ];
    let elapsed = prop::option::of(1_u64..20);
    (0_u32..4, 1_u64..4, jitter(), elapsed, budget).prop_map(
        |(retries, first, jitter, elapsed, budget)| {
            let mut config = RetryConfig::default()
                .max_retries(retries)
                .delays(Duration::from_millis(first), Duration::from_millis(5))
                .jitter(jitter)
                .budget(budget);
            config.max_elapsed = elapsed.map(Duration::from_millis);
            config
        },
    )
}

fn layer(config: &RetryConfig) -> RetryLayer {
    RetryLayer::new(config.clone()).expect("good")
}

fn subject(config: &RetryConfig, places: usize) -> (Rig<Retry<Probe>>, Dependency, RetryHandle) {
    let layer = layer(config);
    let dependency = Dependency::with_places(places);
    let services = (0..3).map(|_| layer.layer(dependency.service()));
    (Rig::new(services.collect()), dependency, layer.handle())
}

/// Fails in a way that may pass, at once, after this long or never.
fn fails() -> RetryConfig {
    RetryConfig::default()
        .jitter(Jitter::None)
        .delays(Duration::from_millis(2), Duration::from_millis(2))
        .budget(Budget::Unlimited)
}

type Called = ResponseFuture<Probe, Ask>;

fn calling(service: &mut Retry<Probe>, ask: Ask) -> Called {
    match call(service, ask) {
        Poll::Ready(Ok(future)) => future,
        _ => panic!("it is ready"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// A service with few places: every attempt calls one that was ready, and whatever is dropped whenever, nothing is
    /// left (TC-1, TC-2). Who is not woken is not asked again (TC-5).
    #[test]
    fn rt_6_readiness_precedes_each_attempt(
        config in configs(), places in 0_usize..4, acts in acts(answer()), order: usize,
    ) {
        paused().block_on(async {
            let (mut rig, dependency, handle) = subject(&config, places);
            let told = acts.len() as u64;
            for act in acts {
                rig.act(act, &dependency).await;
                dependency.assert_right();
            }
            let made = rig.made();
            let retries = handle.status().retries;
            assert!(retries <= made * u64::from(config.max_retries));
            // Of an attempt: when it is answered. Of one after the first: when its delay is over, when there may be a
            // place, as often as somebody is told so, and when it is too late.
            assert!(rig.polls <= (2 + told) * made + 3 * retries, "{} polls", rig.polls);
            rig.forget_all(order);
            rig.close();
            dependency.assert_clean();
        });
    }

    /// However often it could be tried again.
    #[test]
    fn rt_6_an_error_of_readiness_is_final(kind in kind(), retries in 1_u32..5, before in 1_u32..5) {
        let before = before.min(retries);
        paused().block_on(async {
            let (mut rig, dependency, handle) = subject(&fails().max_retries(retries), 1);
            let id = rig.call(0, Does::Wait).expect("ready");
            for _ in 1..before {
                dependency.answer(id, Answer::FAILS);
                rig.settle();
                rig.advance(2 * MILLI).await;
                assert_eq!(dependency.running(), [id]);
            }
            dependency.answer(id, Answer::FAILS);
            rig.settle();
            let unready = Failed::of(kind);
            dependency.set_unready(Some(unready));
            rig.advance(2 * MILLI).await;
            assert_eq!(rig.end(id), Some(&End::Result(Err(unready))));
            assert_eq!(handle.status().retries, u64::from(before));
        });
    }

    /// While it waits, the one place of the service inside is free for others (TC-3).
    #[test]
    fn rt_6_while_it_waits_it_holds_nothing(retries in 1_u32..5) {
        paused().block_on(async {
            let (mut rig, dependency, _) = subject(&fails().max_retries(retries), 1);
            let id = rig.call(0, Does::Wait).expect("ready");
            for _ in 0..retries {
                dependency.answer(id, Answer::FAILS);
                rig.settle();
                rig.advance(MILLI).await;
                assert_eq!((dependency.reserved(), dependency.running().len()), (0, 0));
                let mut other = dependency.service();
                assert!(call(&mut other, Ask::new(99, Does::Answer(Answer::Works))).is_ready());
                drop(other);
                rig.advance(MILLI).await;
                assert_eq!(dependency.running(), [id]);
            }
        });
    }

    /// Dropped in a pause: no attempt more, and what was taken from the budget is spent.
    #[test]
    fn rt_8_dropped_in_a_pause_it_makes_no_attempt(retries in 1_u32..5, at in 0_u64..2, saved in 1_u32..5) {
        paused().block_on(async {
            let budget = BudgetConfig::default().ratio(1.0).per_second(0).saved(saved);
            let (mut rig, dependency, handle) = subject(&fails().max_retries(retries).budget(budget.into()), 1);
            let id = rig.call(0, Does::Answer(Answer::FAILS)).expect("ready");
            assert_eq!((handle.status().retries, handle.status().saved), (1, Some(0)));
            rig.advance(at * MILLI).await;
            assert_eq!(rig.forget(0), Some(id));
            let asked = dependency.asked();
            rig.advance(1_000 * MILLI).await;
            assert_eq!(dependency.asked(), asked);
            assert_eq!((handle.status().retries, handle.status().saved), (1, Some(0)));
        });
    }

    /// A request is cloned for each attempt that can have another after it, and no more.
    #[test]
    fn rt_8_a_request_is_cloned_only_while_another_attempt_is_possible(retries in 0_u32..6, failures in 0_u32..8) {
        paused().block_on(async {
            let (mut rig, dependency, _) = subject(&fails().max_retries(retries), 1);
            let ask = Ask::new(1, Does::Wait);
            let clones = ask.clones();
            rig.start_as(0, ask);
            rig.settle();
            let mut attempts = 1;
            for _ in 0..failures {
                dependency.answer(1, Answer::FAILS);
                rig.settle();
                rig.advance(2 * MILLI).await;
                attempts += u64::from(!dependency.running().is_empty());
            }
            assert_eq!(attempts, u64::from(failures.min(retries)) + 1);
            assert_eq!(clones.load(Ordering::Relaxed), attempts.min(retries.into()));
        });
    }

    /// Every other request is tried again, whatever it is answered.
    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(config in configs(), acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = RetryLayer::new(config.clone().jitter(Jitter::None)).expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(config in configs(), acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = RetryLayer::new(config.clone().jitter(Jitter::None)).expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(config in configs(), acts in contract::acts()) {
        let layer = RetryLayer::builder(config)
            .classify(|answer: Result<&u64, &ControlledServiceClosed>| match answer {
                Ok(request) if request % 2 == 1 => Decision::Retry,
                _ => Decision::Return,
            })
            .build()
            .expect("good");
        paused().block_on(contract::is_kept(|inner| layer.layer(inner), acts));
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(kind in kind(), retries in 0_u32..3, unready: bool) {
        paused().block_on(async {
            let failed = Failed::of(kind);
            let (mut rig, dependency, _) = subject(&fails().max_retries(retries), usize::MAX);
            if unready {
                dependency.set_unready(Some(failed));
                for _ in 0..2 {
                    let id = rig.call(0, Does::Wait).expect("an error");
                    assert_eq!(rig.end(id), Some(&End::Unready(failed)));
                }
            } else {
                let id = rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
                for _ in 0..retries {
                    rig.advance(2 * MILLI).await;
                }
                assert_eq!(rig.end(id), Some(&End::Result(Err(failed))));
                let id = rig.call(0, Does::Answer(Answer::Works)).expect("ready");
                assert_eq!(rig.end(id), Some(&End::Result(Ok(id))));
            }
        });
    }

    /// Requests of one layer that fail together are not tried again together, whatever the seed.
    #[test]
    fn rt_3_requests_that_failed_together_do_not_come_back_together(seed: u64, decorrelated: bool) {
        paused().block_on(async {
            let jitter = if decorrelated { Jitter::Decorrelated } else { Jitter::Full };
            let config = RetryConfig::default()
                .max_retries(1)
                .jitter(jitter)
                .delays(Duration::from_secs(10), Duration::from_secs(60));
            let layer = RetryLayer::builder(config).seed(seed).build().expect("good");
            let began = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&began);
            let service = tower::service_fn(move |_: u64| {
                log.lock().expect("no panic").push(Instant::now());
                std::future::ready(Err::<u64, _>(Failed::of(Kind::Dependency)))
            });
            let mut services = [(); 10].map(|()| layer.layer(service.clone()));
            let calls = services.iter_mut().map(|service| service.call(7));
            futures_util::future::join_all(calls).await;
            let mut again = began.lock().expect("no panic").split_off(10);
            again.sort_unstable();
            again.dedup();
            // Of 10,000 milliseconds and more, ten: that three of them are the same happens once in 10^7.
            assert!(again.len() >= 8, "{again:?}");
        });
    }
}

/// There is no runtime: a timer would panic, and so would a clock that tokio's runtime keeps.
#[test]
fn a_final_first_attempt_needs_neither_a_timer_nor_a_clone_of_the_service() {
    let config = RetryConfig::default().max_elapsed(Duration::from_secs(1));
    let (clones, service) = Counted::new();
    let mut service = layer(&config).layer(service);
    let made = clones.load(Ordering::Relaxed);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for request in 0..10 {
        assert!(service.poll_ready(&mut context).is_ready());
        assert_eq!(service.call(request).now_or_never(), Some(Ok(request)));
    }
    assert_eq!(clones.load(Ordering::Relaxed), made);
}

/// Knows how often it was cloned.
struct Counted(Arc<std::sync::atomic::AtomicU64>);

impl Counted {
    fn new() -> (Arc<std::sync::atomic::AtomicU64>, Self) {
        let clones = Arc::default();
        (Arc::clone(&clones), Self(clones))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Service<u64> for Counted {
    type Response = u64;
    type Error = Failed;
    type Future = std::future::Ready<Result<u64, Failed>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        std::future::ready(Ok(request))
    }
}

/// A response can be what is tried again, and is returned as it was.
#[tokio::test(start_paused = true)]
async fn a_response_may_be_tried_again_too() {
    let layer = RetryLayer::builder(fails().max_retries(2))
        .classify(|result: Result<&u64, &Failed>| match result {
            Ok(503) => Decision::Retry,
            _ => Decision::Return,
        })
        .build()
        .expect("good");
    let mut service = layer.layer(Counted::new().1);
    assert_eq!(service.call(503).await, Ok(503));
    assert_eq!(layer.handle().status().retries, 2);
    assert_eq!(layer.handle().status().out_of_attempts, 1);
    assert_eq!(service.call(200).await, Ok(200));
    assert_eq!(layer.handle().status().retries, 2);
}

/// An invalid request is not tried again, unless every error is.
#[tokio::test(start_paused = true)]
async fn every_error_is_tried_again_where_that_is_asked_for() {
    let dependency = Dependency::with_places(1);
    let layer = RetryLayer::builder(fails())
        .every_error()
        .build()
        .expect("good");
    let mut service: Retry<_, EveryError> = layer.layer(dependency.service());
    let invalid = Failed::of(Kind::Invalid);
    let Poll::Ready(Ok(future)) = call(
        &mut service,
        Ask::new(1, Does::Answer(Answer::Fails(invalid))),
    ) else {
        panic!("it is ready")
    };
    assert_eq!(future.await, Err(invalid));
    assert_eq!(layer.handle().status().retries, 3);
}

/// The attempt that failed is dropped before the pause, not after it.
#[tokio::test(start_paused = true)]
async fn what_failed_is_dropped_before_the_pause() {
    let dependency = Dependency::with_places(1);
    let mut service = layer(&fails()).layer(dependency.service());
    let mut future = pin!(calling(&mut service, Ask::new(1, Does::Wait)));
    assert!(poll(future.as_mut()).is_pending());
    dependency.answer(1, Answer::FAILS);
    assert!(poll(future.as_mut()).is_pending());
    drop(service);
    dependency.assert_clean();
    advance(Duration::from_millis(2)).await;
    assert!(poll(future.as_mut()).is_pending());
    assert_eq!(dependency.running(), [1]);
}
