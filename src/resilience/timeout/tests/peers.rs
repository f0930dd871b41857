//! Other timeouts, where they differ from the properties, and so from ours. A test here fails when a new release of
//! theirs has mended what it shows; then the comparison is to be told anew.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::advance;
use tower::{Layer, Service};
use tower_resilience_timelimiter::TimeLimiterLayer;

use crate::resilience::{
    probe::{Answer, Ask, Dependency, Does, MILLI, Probe, call, poll},
    rig::Rig,
    timeout::{Timeout, TimeoutConfig, TimeoutLayer},
};

const LIMIT: Duration = Duration::from_millis(5);

fn ours(config: TimeoutConfig, dependency: &Dependency) -> Timeout<Probe> {
    TimeoutLayer::new(config)
        .expect("good")
        .layer(dependency.service())
}

fn towers(dependency: &Dependency) -> tower::timeout::Timeout<Probe> {
    tower::timeout::Timeout::new(dependency.service(), LIMIT)
}

fn theirs(
    dependency: &Dependency,
) -> impl Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone + use<> {
    let layer = TimeLimiterLayer::builder().timeout_duration(LIMIT).build();
    layer.layer(dependency.service())
}

/// Whether a call comes to an end while the service inside is never ready.
async fn ends_unready<S>(service: S) -> bool
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let mut rig = Rig::new(vec![service]);
    let called = rig.call(0, Does::Wait);
    rig.advance(500 * MILLI).await;
    called.is_some_and(|call| rig.end(call).is_some())
}

/// TO-4, row 34: who waits in readiness waits for ever.
#[tokio::test(start_paused = true)]
async fn to_4_a_service_that_is_never_ready() {
    let full = Dependency::with_places(0);
    assert!(ends_unready(ours(TimeoutConfig::total(LIMIT), &full)).await);
    assert!(!ends_unready(towers(&full)).await);
    assert!(!ends_unready(theirs(&full)).await);
}

/// Whether the time of a call that nobody asks for is over, when it is asked for at last.
async fn is_over_before_it_is_polled<S: Service<Ask>>(mut service: S) -> bool {
    let Poll::Ready(Ok(response)) = call(&mut service, Ask::new(1, Does::Wait)) else {
        panic!("it is ready");
    };
    let mut response = pin!(response);
    advance(2 * LIMIT).await;
    poll(response.as_mut()).is_ready()
}

/// TO-1: the time begins with the first poll. tower's begins with the call, and ends calls that had none.
#[tokio::test(start_paused = true)]
async fn to_1_a_response_that_is_polled_late() {
    let dependency = Dependency::with_places(usize::MAX);
    let attempt = TimeoutConfig::attempt(LIMIT);
    assert!(!is_over_before_it_is_polled(ours(attempt, &dependency)).await);
    assert!(!is_over_before_it_is_polled(theirs(&dependency)).await);
    assert!(is_over_before_it_is_polled(towers(&dependency)).await);
}

/// Whether the call runs on when its caller has been told that it was too late.
async fn runs_on<S: Service<Ask>>(mut service: S, dependency: &Dependency) -> bool {
    let Poll::Ready(Ok(response)) = call(&mut service, Ask::new(1, Does::Wait)) else {
        panic!("it is ready");
    };
    let mut response = pin!(response);
    assert!(poll(response.as_mut()).is_pending());
    advance(LIMIT + Duration::from_nanos(MILLI)).await;
    assert!(poll(response.as_mut()).is_ready(), "too late");
    !dependency.running().is_empty()
}

/// TO-3: tower's keeps the call, and what it holds, for as long as the caller keeps the response.
#[tokio::test(start_paused = true)]
async fn to_3_a_call_that_was_too_late_is_dropped_first() {
    let dependency = Dependency::with_places(usize::MAX);
    let attempt = TimeoutConfig::attempt(LIMIT);
    assert!(!runs_on(ours(attempt, &dependency), &dependency).await);
    assert!(!runs_on(theirs(&dependency), &dependency).await);
    assert!(runs_on(towers(&dependency), &dependency).await);
}

/// TO-5: for a call that is answered at once, others make a timer; where there is none to be had they panic.
#[test]
fn to_5_a_call_that_is_answered_at_once_outside_of_a_runtime() {
    fn answers<S: Service<Ask>>(mut service: S) -> bool {
        let ask = Ask::new(1, Does::Answer(Answer::Works));
        let answered = AssertUnwindSafe(|| match call(&mut service, ask) {
            Poll::Ready(Ok(response)) => response.now_or_never().is_some(),
            _ => false,
        });
        catch_unwind(answered).unwrap_or(false)
    }
    let dependency = Dependency::with_places(usize::MAX);
    assert!(answers(ours(TimeoutConfig::attempt(LIMIT), &dependency)));
    assert!(!answers(towers(&dependency)));
    assert!(!answers(theirs(&dependency)));
}
