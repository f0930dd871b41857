//! The model, run against other breakers: where they differ from it, and so from ours.
//!
//! A test here fails when a new release of theirs has mended what it shows; then the comparison is to be told anew.
//! Each of them is asked only for what it says it does: failures in a row, or a rate of the last calls.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use failsafe::{StateMachine, backoff::Constant, failure_policy::ConsecutiveFailures};
use futures_util::{FutureExt, future::LocalBoxFuture};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use recloser::{AsyncRecloser, Recloser};
use tokio::sync::oneshot;
use tower::{Layer, Service, service_fn, util::BoxCloneSyncService};
use tower_resilience_circuitbreaker::{
    CircuitBreakerHandle, CircuitBreakerLayer, CircuitState, DefaultClassifier,
};

use super::{model::Model, steps::CASES};
use crate::resilience::breaker::{
    Breaker, BreakerConfig, BreakerHandle, BreakerLayer, Outcome, State, Trip,
};

/// How long a breaker of these tests stays open: over with the next look at the clock.
const AT_ONCE: Duration = Duration::from_nanos(1);
const NEVER: Duration = Duration::from_secs(3600);

/// A breaker, by whatever interface.
trait Peer {
    type Call;
    /// None if it is rejected.
    fn call(&mut self) -> Option<Self::Call>;
    fn end(&mut self, call: Self::Call, failed: bool);

    /// Calls and ends at once; whether it was let through.
    fn complete(&mut self, failed: bool) -> bool {
        let call = self.call();
        call.map(|call| self.end(call, failed)).is_some()
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call,
    End(usize, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = (any::<usize>(), prop::bool::weighted(0.6));
    let step = prop_oneof![
        Just(Step::Call),
        end.prop_map(|(call, failed)| Step::End(call, failed))
    ];
    prop::collection::vec(step, 1..60)
}

/// The shortest sequence found in which a call is admitted by one, and rejected by the other.
fn difference<P: Peer>(config: &BreakerConfig, peer: impl Fn() -> P) -> Option<Vec<Step>> {
    let cases = Config {
        failure_persistence: None,
        ..Config::with_cases(CASES)
    };
    let mut runner = TestRunner::new_with_rng(cases, TestRunner::deterministic().new_rng());
    let agree = |steps: Vec<Step>| {
        let (mut peer, mut model) = (peer(), Model::new(config.clone()));
        let (mut calls, mut now) = (Vec::new(), 0);
        for step in steps {
            // However fast this machine: the open period is over.
            now += 2;
            match step {
                Step::Call => {
                    let (theirs, ours) = (peer.call(), model.admit(now));
                    if theirs.is_some() != ours.is_ok() {
                        return Err(TestCaseError::fail("they differ"));
                    }
                    calls.extend(theirs.zip(ours.ok()));
                }
                Step::End(call, failed) if !calls.is_empty() => {
                    let (theirs, ours) = calls.remove(call % calls.len());
                    peer.end(theirs, failed);
                    let outcome = if failed {
                        Outcome::Failure
                    } else {
                        Outcome::Success
                    };
                    model.finish(ours, outcome, false, now);
                }
                Step::End(..) => {}
            }
        }
        Ok(())
    };
    match runner.run(&steps(), agree) {
        Ok(()) => None,
        Err(TestError::Fail(_, steps)) => Some(steps),
        Err(abort) => panic!("{abort}"),
    }
}

/// Opens after so many failures in a row; one probe at a time, one success closes it.
fn in_a_row(failures: u32) -> BreakerConfig {
    config(Trip::Consecutive {
        failure_threshold: failures,
    })
}

/// Opens when half of the last calls failed.
fn half_of(calls: u32) -> BreakerConfig {
    config(Trip::RateOfCalls {
        calls,
        failure_rate: 0.5,
        minimum_calls: calls,
        slow: None,
    })
}

fn config(trip: Trip) -> BreakerConfig {
    BreakerConfig::default()
        .trip(trip)
        .half_open_permits(1)
        .success_threshold(1)
        .reset_timeout(AT_ONCE)
        .reset_jitter(0.0)
        .half_open_timeout(NEVER)
}

/// The answer of a call, and where it is awaited.
type Answered = oneshot::Receiver<Result<(), &'static str>>;
type Answer = oneshot::Sender<Result<(), &'static str>>;

fn answer(answer: Answer, failed: bool) {
    let said = answer.send(if failed { Err("lost") } else { Ok(()) });
    said.expect("awaited");
}

/// A call that was polled once and waits, and where to answer it.
struct Waiting<F>(Pin<Box<F>>, Answer);

impl<F: Future> Waiting<F> {
    /// None if it does not wait.
    fn new(call: F, answer: Answer) -> Option<Self> {
        let mut call = Box::pin(call);
        let poll = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        poll.is_pending().then_some(Self(call, answer))
    }

    fn end(self, failed: bool) {
        answer(self.1, failed);
        assert!(
            self.0.now_or_never().is_some(),
            "it ends when it is answered"
        );
    }
}

/// The dependency, which answers when the test does.
type Dependency = BoxCloneSyncService<Answered, (), &'static str>;

fn dependency() -> Dependency {
    BoxCloneSyncService::new(service_fn(|answered: Answered| async {
        answered.await.expect("answered")
    }))
}

/// A call of a service that is ready at once.
fn call<S: Service<Answered>>(service: &mut S) -> Option<Waiting<S::Future>> {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))), "ready at once");
    let (answer, answered) = oneshot::channel();
    Waiting::new(service.call(answered), answer)
}

struct Ours(Breaker<Dependency>, BreakerHandle);

impl Ours {
    fn new(config: &BreakerConfig) -> Self {
        let layer = BreakerLayer::new(config.clone()).expect("good");
        Self(layer.layer(dependency()), layer.handle())
    }
}

impl Peer for Ours {
    type Call = Waiting<<Breaker<Dependency> as Service<Answered>>::Future>;

    fn call(&mut self) -> Option<Self::Call> {
        call(&mut self.0)
    }

    fn end(&mut self, call: Self::Call, failed: bool) {
        call.end(failed);
    }
}

type TheirBreaker = tower_resilience_circuitbreaker::CircuitBreaker<Dependency, DefaultClassifier>;

/// Of tower-resilience.
struct Tower(TheirBreaker, CircuitBreakerHandle<DefaultClassifier>);

impl Tower {
    fn new(failures_in_a_row: Option<usize>, calls: usize) -> Self {
        Self::staying_open(AT_ONCE, failures_in_a_row, calls)
    }

    fn staying_open(open: Duration, failures_in_a_row: Option<usize>, calls: usize) -> Self {
        let mut builder = CircuitBreakerLayer::builder()
            .failure_rate_threshold(0.5)
            .sliding_window_size(calls)
            .permitted_calls_in_half_open(1)
            .wait_duration_in_open(open);
        if let Some(failures) = failures_in_a_row {
            builder = builder.consecutive_failures(failures);
        }
        let (layer, handle) = builder.build_with_handle().expect("good");
        Self(layer.layer(dependency()), handle)
    }
}

impl Peer for Tower {
    type Call = Waiting<<TheirBreaker as Service<Answered>>::Future>;

    fn call(&mut self) -> Option<Self::Call> {
        call(&mut self.0)
    }

    fn end(&mut self, call: Self::Call, failed: bool) {
        call.end(failed);
    }
}

struct Failsafe(StateMachine<ConsecutiveFailures<Constant>, ()>);

impl Failsafe {
    fn new(failures: u32) -> Self {
        let policy = failsafe::failure_policy::consecutive_failures(
            failures,
            failsafe::backoff::constant(AT_ONCE),
        );
        Self(StateMachine::new(policy, ()))
    }
}

impl Peer for Failsafe {
    type Call = ();

    fn call(&mut self) -> Option<()> {
        self.0.is_call_permitted().then_some(())
    }

    fn end(&mut self, (): (), failed: bool) {
        if failed {
            self.0.on_error();
        } else {
            self.0.on_success();
        }
    }
}

struct Ring(AsyncRecloser);

impl Ring {
    fn new(calls: usize) -> Self {
        Self::staying_open(AT_ONCE, calls)
    }

    fn staying_open(open: Duration, calls: usize) -> Self {
        let recloser = Recloser::custom()
            .error_rate(0.5)
            .closed_len(calls)
            .half_open_len(1)
            .open_wait(open)
            .build();
        Self(recloser.into())
    }
}

impl Peer for Ring {
    type Call = Waiting<LocalBoxFuture<'static, ()>>;

    fn call(&mut self) -> Option<Self::Call> {
        let (answer, answered) = oneshot::channel();
        let call = self.0.call(async { answered.await.expect("answered") });
        Waiting::new(async { drop(call.await) }.boxed_local(), answer)
    }

    fn end(&mut self, call: Self::Call, failed: bool) {
        call.end(failed);
    }
}

#[test]
fn ours_is_as_the_model_has_it() {
    for config in [in_a_row(1), in_a_row(3), half_of(4), half_of(10)] {
        assert!(difference(&config, || Ours::new(&config)).is_none());
    }
}

/// Found in a few cases each: printed, with `--nocapture`.
#[test]
fn others_differ_from_the_model() {
    let differences = [
        (
            "tower-resilience, 3 in a row",
            difference(&in_a_row(3), || Tower::new(Some(3), 100)),
        ),
        (
            "tower-resilience, half of 4",
            difference(&half_of(4), || Tower::new(None, 4)),
        ),
        (
            "failsafe, 3 in a row",
            difference(&in_a_row(3), || Failsafe::new(3)),
        ),
        (
            "recloser, half of 4",
            difference(&half_of(4), || Ring::new(4)),
        ),
    ];
    for (name, difference) in differences {
        println!("{name}: {difference:?}");
        assert!(difference.is_some(), "{name} does as we do now");
    }
}

/// How many failures in a row open it after so many successes; none of all that were tried.
fn failures_to_open<P: Peer>(mut peer: P, successes: usize) -> Option<usize> {
    for _ in 0..successes {
        assert!(peer.complete(false));
    }
    (0..=successes).find(|_| !peer.complete(true))
}

/// Row 1 of the comparison: a window that does not slide.
#[test]
fn a_window_of_a_hundred_calls_after_ten_thousand_successes() {
    let config = half_of(100).reset_timeout(NEVER);
    assert_eq!(failures_to_open(Ours::new(&config), 10_000), Some(50));
    let theirs = Tower::staying_open(NEVER, None, 100);
    assert_eq!(failures_to_open(theirs, 10_000), Some(10_000));
}

/// Row 2. A call is admitted by the closed breaker; another fails and opens it; a probe is under way; then the first
/// one ends. Whether a second probe gets in beside the one that there may be.
fn a_late_result_lets_another_in<P: Peer>(mut peer: P, failed: bool) -> bool {
    let late = peer.call().expect("closed");
    assert!(peer.complete(true));
    let probe = peer.call().expect("a probe");
    peer.end(late, failed);
    let another = peer.call();
    drop(probe);
    another.is_some()
}

#[test]
fn a_result_from_before_the_breaker_opened() {
    for failed in [true, false] {
        let ours = Ours::new(&in_a_row(1));
        assert!(!a_late_result_lets_another_in(ours, failed));
        let theirs = Tower::new(Some(1), 100);
        assert!(
            a_late_result_lets_another_in(theirs, failed),
            "the late one decides"
        );
        let theirs = Failsafe::new(1);
        assert!(a_late_result_lets_another_in(theirs, failed));
    }
}

/// Row 5. So many get in while one probe is to be under way.
fn probes<P: Peer>(mut peer: P) -> usize {
    assert!(peer.complete(true));
    let probes: Vec<_> = (0..100).map_while(|_| peer.call()).collect();
    probes.len()
}

#[test]
fn a_crowd_before_a_half_open_breaker() {
    assert_eq!(probes(Ours::new(&in_a_row(1))), 1);
    assert_eq!(probes(Tower::new(Some(1), 100)), 1);
    assert_eq!(probes(Failsafe::new(1)), 100);
}

/// Row 9: a timeout further out drops calls that hang.
#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped() {
    async fn hangs<F: Future>(call: Option<Waiting<F>>) {
        let Waiting(call, _answer) = call.expect("closed");
        let late = tokio::time::timeout(Duration::from_secs(1), call).await;
        assert!(late.is_err());
    }
    let mut ours = Ours::new(&in_a_row(1).reset_timeout(NEVER));
    hangs(ours.call()).await;
    assert_eq!(ours.1.state(), State::Open);
    let mut theirs = Tower::staying_open(NEVER, Some(1), 100);
    for _ in 0..100 {
        hangs(theirs.call()).await;
    }
    assert_eq!(theirs.1.state(), CircuitState::Closed);
}

/// Row 10: the service panics, here because its answer is gone.
#[test]
fn calls_that_panic() {
    fn panics<F: Future>(call: Waiting<F>) {
        let Waiting(call, answer) = call;
        drop(answer);
        let caught = catch_unwind(AssertUnwindSafe(|| call.now_or_never().is_some()));
        assert!(caught.is_err());
    }
    let mut ours = Ours::new(&in_a_row(1).reset_timeout(NEVER));
    panics(ours.call().expect("closed"));
    assert_eq!(ours.1.state(), State::Open);
    let mut theirs = Tower::staying_open(NEVER, Some(1), 100);
    for _ in 0..100 {
        panics(theirs.call().expect("closed"));
    }
    assert_eq!(theirs.1.state(), CircuitState::Closed);
}

/// Paused time passes for ours only, so tests of an application need not wait.
#[tokio::test(start_paused = true)]
async fn an_open_period_of_paused_time() {
    let minute = Duration::from_secs(60);
    let mut ours = Ours::new(&in_a_row(1).reset_timeout(minute));
    let mut theirs = Tower::staying_open(minute, Some(1), 100);
    assert!(ours.complete(true) && theirs.complete(true));
    tokio::time::advance(minute).await;
    assert!(ours.call().is_some());
    assert!(theirs.call().is_none());
}

/// Three failures and then two successes, half of four: the last success opens it.
#[test]
fn a_success_that_opens_a_breaker() {
    let outcomes = [true, true, true, false, false];
    let mut theirs = Ring::staying_open(NEVER, 4);
    let mut ours = Ours::new(&half_of(4).reset_timeout(NEVER));
    for failed in outcomes {
        assert!(theirs.complete(failed) && ours.complete(failed));
    }
    assert!(theirs.call().is_none());
    assert!(ours.call().is_some());
}
