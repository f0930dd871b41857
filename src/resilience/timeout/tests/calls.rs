use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::model::{Ended, Model};
use crate::resilience::{
    Classify, Kind, Notice, What, contract, deadline,
    probe::{Answer, Ask, CASES, Dependency, Does, Failed, MILLI, Probe, call, paused, poll},
    rig::{End, Rig},
    steps::{answer, does},
    timeout::{Covers, Error, Timeout, TimeoutConfig, TimeoutHandle, TimeoutLayer},
};

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer(usize, Answer),
    Call(usize, Does),
    Clone(usize),
    Forget(usize),
    Ready(usize),
    ReadyAndForget(usize),
    /// Milliseconds.
    Tick(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        10 => (any::<usize>(), does(answer())).prop_map(|(service, does)| Act::Call(service, does)),
        6 => (any::<usize>(), answer()).prop_map(|(call, answer)| Act::Answer(call, answer)),
        3 => any::<usize>().prop_map(Act::Forget),
        2 => any::<usize>().prop_map(Act::Ready),
        1 => any::<usize>().prop_map(Act::ReadyAndForget),
        1 => any::<usize>().prop_map(Act::Clone),
        5 => (0_u64..6).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..60)
}

pub(super) fn covers() -> impl Strategy<Value = Covers> {
    prop_oneof![Just(Covers::Attempt), Just(Covers::Total)]
}

pub(super) fn config(covers: Covers, limit: Duration) -> TimeoutConfig {
    match covers {
        Covers::Attempt => TimeoutConfig::attempt(limit),
        Covers::Total => TimeoutConfig::total(limit),
    }
}

/// What a request of this number allows, in milliseconds.
fn own_limit(id: u64) -> Option<u64> {
    match id % 4 {
        0 => Some(id % 7),
        1 => Some(u64::MAX / MILLI),
        _ => None,
    }
}

type OwnLimit = fn(&Ask) -> Option<Duration>;

/// Services of one layer, and the model.
struct Pair {
    rig: Rig<Timeout<Probe, OwnLimit>>,
    handle: TimeoutHandle,
    dependency: Dependency,
    notices: Arc<Mutex<Vec<Notice>>>,
    model: Model,
    made: u64,
}

impl Pair {
    fn new(covers: Covers, limit: u64) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let own: OwnLimit = |ask| own_limit(ask.id).map(Duration::from_millis);
        let layer = TimeoutLayer::builder(config(covers, Duration::from_millis(limit)))
            .name("subject")
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .limit(own)
            .build()
            .expect("good");
        let dependency = Dependency::with_places(usize::MAX);
        let services = (0..2).map(|_| layer.clone().layer(dependency.service()));
        Self {
            rig: Rig::new(services.collect()),
            handle: layer.handle(),
            dependency,
            notices,
            model: Model::new(limit),
            made: 0,
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Call(service, does) => {
                let id = self.rig.call(service, does).expect("ready");
                self.made += 1;
                self.model.call(id, does, own_limit(id));
            }
            Act::Answer(call, answer) => {
                let running = self.dependency.running();
                if !running.is_empty() {
                    let id = running[call % running.len()];
                    assert!(self.dependency.answer(id, answer));
                    self.rig.settle();
                    self.model.answer(id, answer);
                }
            }
            Act::Forget(call) => {
                if let Some(id) = self.rig.forget(call) {
                    self.model.calls.remove(&id);
                }
            }
            Act::Clone(service) => self.rig.clone_service(service),
            Act::Ready(service) => assert!(self.rig.ready(service).is_ready()),
            Act::ReadyAndForget(service) => self.rig.ready_and_forget(service),
            Act::Tick(millis) => {
                self.rig.advance(millis * MILLI).await;
                self.model.pass(millis);
            }
        }
    }

    fn check(&self) {
        let ends = self.rig.ends.iter();
        let ends: std::collections::BTreeMap<_, _> =
            ends.map(|(&id, end)| (id, ended(id, end))).collect();
        assert_eq!(ends, self.model.ends);
        let mut running = self.dependency.running();
        running.sort_unstable();
        let expected: Vec<_> = self.model.calls.keys().copied().collect();
        assert_eq!(running, expected, "what took too long is dropped");
        let late = |end: &&Ended| matches!(end, Ended::Elapsed(_));
        let late = self.model.ends.values().filter(late).count() as u64;
        assert_eq!(self.handle.status().timed_out, late);
        self.dependency.assert_right();
    }
}

fn ended(id: u64, end: &End<Error<Failed>>) -> Ended {
    match *end {
        End::Panic => Ended::Panicked,
        End::Result(Ok(response)) => {
            assert_eq!(response, id, "the response of another");
            Ended::Answered(Answer::Works)
        }
        End::Result(Err(Error::Inner(failed))) => Ended::Answered(Answer::Fails(failed)),
        End::Result(Err(Error::Elapsed(elapsed))) => {
            Ended::Elapsed(u64::try_from(elapsed.limit().as_millis()).expect("short"))
        }
        End::Unready(ref error) => panic!("{error:?}"),
    }
}

/// A service whose calls wait until they are told to end, behind a timeout.
fn subject(covers: Covers, limit: Duration) -> (Timeout<Probe>, Dependency) {
    let dependency = Dependency::with_places(usize::MAX);
    let layer = TimeoutLayer::named("subject", config(covers, limit)).expect("good");
    (layer.layer(dependency.service()), dependency)
}

fn waits<S: Service<Ask>>(service: &mut S) -> S::Future {
    match call(service, Ask::new(1, Does::Wait)) {
        Poll::Ready(Ok(future)) => future,
        _ => panic!("it is ready"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// With requests that have limits of their own, over clones; who is not woken is not asked again (TC-5), and
    /// nothing is left (TC-2).
    #[test]
    fn to_1_the_layer_and_the_model_agree(covers in covers(), limit in 1_u64..12, acts in acts(), order: usize) {
        paused().block_on(async {
            let mut pair = Pair::new(covers, limit);
            for act in acts {
                pair.act(act).await;
                pair.check();
            }
            // Once to begin with, and once when it is answered or its time is up.
            assert!(pair.rig.polls <= 2 * pair.made, "{} polls of {} calls", pair.rig.polls, pair.made);
            let notices = pair.notices.lock().expect("no panic").clone();
            let told: u64 = notices.iter().map(|notice| notice.count).sum();
            let late = pair.handle.status().timed_out;
            assert!(told <= late && (told > 0) == (late > 0), "told of {told} of {late}");
            assert!(notices.iter().all(|notice| notice.what == What::TimedOut));
            pair.rig.forget_all(order);
            pair.rig.close();
            pair.dependency.assert_clean();
        });
    }

    #[test]
    fn to_1_not_before_its_time_and_at_most_a_tick_after_it(
        covers in covers(), nanos in 1_u64..20 * MILLI, at in 0_u64..3 * MILLI, before in 0_u64..3 * MILLI,
    ) {
        paused().block_on(async {
            advance(Duration::from_nanos(at)).await;
            let (mut service, _dependency) = subject(covers, Duration::from_nanos(nanos));
            let future = waits(&mut service);
            // The time begins when the call is first polled.
            advance(Duration::from_nanos(before)).await;
            let mut future = pin!(future);
            let mut waited = 0;
            while poll(future.as_mut()).is_pending() {
                assert!(waited <= nanos + MILLI, "too late");
                waited += MILLI / 4;
                advance(Duration::from_nanos(MILLI / 4)).await;
            }
            assert!(waited >= nanos, "after {waited} of {nanos}");
        });
    }

    #[test]
    fn to_2_an_answer_that_comes_with_the_end_is_taken(
        covers in covers(), millis in 1_u64..20, late in 0_u64..20, works: bool,
    ) {
        paused().block_on(async {
            let (mut service, dependency) = subject(covers, Duration::from_millis(millis));
            let mut future = pin!(waits(&mut service));
            assert!(poll(future.as_mut()).is_pending());
            advance(Duration::from_millis(millis + late)).await;
            let answer = if works { Answer::Works } else { Answer::FAILS };
            dependency.answer(1, answer);
            let expected = if works { Ok(1) } else { Err(Error::Inner(Failed::of(Kind::Dependency))) };
            assert_eq!(poll(future), Poll::Ready(expected));
            assert_eq!(service.handle().status().timed_out, 0);
        });
    }

    #[test]
    fn to_3_the_call_is_dropped_before_its_caller_hears(covers in covers(), millis in 1_u64..20, polls in 1_u32..4) {
        paused().block_on(async {
            let limit = Duration::from_millis(millis);
            let (mut service, dependency) = subject(covers, limit);
            let mut future = pin!(waits(&mut service));
            for _ in 0..polls {
                assert!(poll(future.as_mut()).is_pending());
            }
            assert_eq!(dependency.running(), [1]);
            advance(limit).await;
            let Poll::Ready(Err(Error::Elapsed(elapsed))) = poll(future.as_mut()) else {
                panic!("its time is up");
            };
            // The future is still there.
            assert_eq!(dependency.running(), [0_u64; 0]);
            assert_eq!((elapsed.covers(), elapsed.limit()), (covers, limit));
            assert_eq!(elapsed.class().kind(), Kind::Timeout);
        });
    }

    /// There is no runtime: a timer would panic.
    #[test]
    fn to_5_what_is_answered_at_once_makes_no_timer(covers in covers(), works: bool, millis in 1_u64..1 << 39) {
        let (mut service, dependency) = subject(covers, Duration::from_millis(millis));
        let answer = if works { Answer::Works } else { Answer::FAILS };
        let Poll::Ready(Ok(future)) = call(&mut service, Ask::new(1, Does::Answer(answer))) else {
            panic!("it is ready");
        };
        assert_eq!(future.now_or_never().expect("at once").is_ok(), works);
        drop(service);
        dependency.assert_clean();
    }

    /// A request that allows nothing has to be answered at once, and needs no timer for it; one that allows everything
    /// has what is configured.
    #[test]
    fn to_5_zero_is_at_once_and_the_longest_does_not_overflow(covers in covers(), zero: bool) {
        let own = move |_: &Ask| Some(if zero { Duration::ZERO } else { Duration::MAX });
        let limit = Duration::from_millis((1 << 40) - 1);
        let dependency = Dependency::with_places(usize::MAX);
        let layer = TimeoutLayer::builder(config(covers, limit)).limit_by(own).build().expect("good");
        let mut service = layer.layer(dependency.service());
        if zero {
            let late = waits(&mut service).now_or_never().expect("at once");
            assert!(late.is_err_and(|error| error.is_elapsed()));
            let answered = call(&mut service, Ask::new(2, Does::Answer(Answer::Works)));
            let Poll::Ready(Ok(answered)) = answered else { panic!("it is ready") };
            assert_eq!(answered.now_or_never(), Some(Ok(2)));
        } else {
            paused().block_on(async {
                let mut future = pin!(waits(&mut service));
                assert!(poll(future.as_mut()).is_pending());
                advance(Duration::from_millis(1 << 31)).await;
                assert!(poll(future).is_pending());
            });
        }
    }

    /// Around one another, in any order; and what is inside knows the end, whenever it asks.
    #[test]
    fn to_6_the_smallest_of_all_counts(
        limits in prop::array::uniform3((covers(), 1_u64..20)), own in prop::option::of(0_u64..20),
    ) {
        paused().block_on(async {
            let [inner, middle, outer] = limits.map(|(covers, limit)| config(covers, Duration::from_millis(limit)));
            let smallest = limits.iter().map(|(_, limit)| *limit).chain(own).min().expect("three");
            let smallest = Duration::from_millis(smallest);
            let ends = Arc::new(Mutex::new(Vec::new()));
            let seen = Arc::clone(&ends);
            let service = service_fn(move |(): ()| {
                let seen = Arc::clone(&seen);
                async move {
                    for _ in 0..3 {
                        seen.lock().expect("no panic").push(deadline());
                        tokio::task::yield_now().await;
                    }
                    std::future::pending::<Result<(), Failed>>().await
                }
            });
            let own = move |(): &()| own.map(Duration::from_millis);
            let service = TimeoutLayer::builder(inner).limit_by(own).build().expect("good").layer(service);
            let service = TimeoutLayer::new(middle).expect("good").layer(service);
            let service = TimeoutLayer::new(outer).expect("good").layer(service);
            let start = tokio::time::Instant::now();
            let late = service.oneshot(()).await.expect_err("it never answers");
            assert_eq!(start.elapsed(), smallest);
            assert_eq!(late.class().kind(), Kind::Timeout);
            assert_eq!(deadline(), None);
            let ends = ends.lock().expect("no panic").clone();
            assert!(ends.iter().all(|end| *end == Some(start + smallest)), "{ends:?}");
            assert!(ends.len() == if smallest.is_zero() { 1 } else { 3 });
        });
    }

    #[test]
    fn tc_4_all_services_of_a_layer_share_its_state(covers in covers(), limit in 1_u64..12, acts in contract::shared_acts()) {
        paused().block_on(contract::is_shared(|inner| {
            let layer = TimeoutLayer::new(config(covers, Duration::from_millis(limit))).expect("good");
            inner.into_iter().map(|inner| layer.layer(inner)).collect()
        }, acts));
    }

    #[test]
    fn tc_5_who_waits_is_woken_and_nobody_spins(covers in covers(), limit in 1_u64..12, acts in contract::shared_acts(), places in 0_usize..4) {
        paused().block_on(contract::every_call_ends(|inner| {
            let layer = TimeoutLayer::new(config(covers, Duration::from_millis(limit))).expect("good");
            layer.layer(inner)
        }, acts, places));
    }

    #[test]
    fn tc_1_and_2_the_contract_is_kept(covers in covers(), limit in 1_u64..12, acts in contract::acts()) {
        let layer = TimeoutLayer::new(config(covers, Duration::from_millis(limit))).expect("good");
        paused().block_on(contract::is_kept(|inner| layer.layer(inner), acts));
    }

    #[test]
    fn tc_6_responses_and_errors_pass_unchanged(covers in covers(), kind in 0..5_usize, unready: bool) {
        let kinds = [Kind::Cancelled, Kind::Dependency, Kind::Invalid, Kind::LocalRejection, Kind::Timeout];
        let failed = Failed::of(kinds[kind]);
        let mut pair = Pair::new(covers, 5);
        if unready {
            pair.dependency.set_unready(Some(failed));
            for _ in 0..2 {
                let id = pair.rig.call(0, Does::Wait).expect("an error");
                assert_eq!(pair.rig.end(id), Some(&End::Unready(Error::Inner(failed))));
            }
        } else {
            let id = pair.rig.call(0, Does::Answer(Answer::Fails(failed))).expect("ready");
            assert_eq!(pair.rig.end(id), Some(&End::Result(Err(Error::Inner(failed)))));
            assert_eq!(Error::Inner(failed).class(), failed.class());
        }
    }
}

/// It is ready again and again, and gives nobody else a turn but by tokio's budget, which is then used up for the
/// timer as well.
#[tokio::test(start_paused = true)]
async fn to_1_what_never_waits_is_ended_too() {
    let second = Duration::from_secs(1);
    let timeout = TimeoutLayer::new(TimeoutConfig::attempt(second)).expect("good");
    let busy = timeout.handle().call(|| async {
        tokio::task::yield_now().await;
        advance(second).await;
        for _ in 0..100_000 {
            tokio::task::coop::consume_budget().await;
        }
        Ok::<_, Failed>(())
    });
    assert!(busy.await.expect_err("too late").is_elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_elapsed_says_whose_time_was_up() {
    let timeout = |config| {
        TimeoutLayer::named("llm_api", config)
            .expect("good")
            .handle()
    };
    let never = || std::future::pending::<Result<(), Failed>>();
    let late = timeout(TimeoutConfig::llm_api()).call(never).await;
    let late = late.expect_err("it never answers");
    assert_eq!(late.to_string(), "llm_api: an attempt took longer than 30s");
    let total = timeout(TimeoutConfig::total(Duration::from_millis(1_500)));
    let late = total.call(never).await.expect_err("it never answers");
    assert_eq!(
        late.to_string(),
        "llm_api: the call in total took longer than 1.5s"
    );
    assert_eq!(late.into_inner(), None);
    assert_eq!(total.status().timed_out, 1);
    // Below the boxes of others, too.
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(late);
    assert_eq!(boxed.class().kind(), Kind::Timeout);
}
