//! Other retries, where they differ from the properties, and so from ours. A test here fails when a new release of
//! theirs has mended what it shows; then the comparison is to be told anew.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::Instant;
use tower::{
    Layer, Service,
    retry::{
        backoff::{Backoff as _, ExponentialBackoffMaker, MakeBackoff as _},
        budget::{Budget as _, TpsBudget},
    },
    util::rng::HasherRng,
};
use tower_resilience_retry::RetryLayer as TheirLayer;

use crate::resilience::{
    Kind,
    probe::{Answer, Ask, Dependency, Does, Failed, MILLI, Probe},
    retry::{
        Budget, BudgetConfig, Jitter, RetryConfig, RetryLayer,
        core::backoff::{Backoff, Progress},
        core::budget::Budget as Core,
    },
    rig::{End, Rig},
    timeout::{TimeoutConfig, TimeoutLayer},
};

const DELAY: Duration = Duration::from_millis(100);

/// So many attempts in all, 100 ms apart.
fn ours(attempts: u32) -> RetryLayer {
    let config = RetryConfig::default()
        .max_retries(attempts - 1)
        .delays(DELAY, DELAY)
        .jitter(Jitter::None);
    RetryLayer::new(config.budget(Budget::Unlimited)).expect("good")
}

fn theirs(attempts: u32) -> TheirLayer<Ask, u64, Failed> {
    let builder = TheirLayer::builder().max_attempts(attempts as usize);
    builder.fixed_backoff(DELAY).build()
}

/// How often a service is called that says this of one request.
async fn attempts<L>(layer: L, kind: Kind) -> usize
where
    L: Layer<Probe, Service: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone>,
{
    let dependency = Dependency::with_places(usize::MAX);
    let mut rig = Rig::new(vec![layer.layer(dependency.service())]);
    let call = rig.call(0, Does::Wait).expect("ready");
    for attempts in 1..100 {
        assert!(dependency.answer(call, Answer::Fails(Failed::of(kind))));
        rig.settle();
        rig.advance(200 * MILLI).await;
        if rig.end(call).is_some() {
            return attempts;
        }
    }
    panic!("it never ends");
}

/// RT-5, row 32: theirs tries again what another layer refused, and what cannot succeed, unless told otherwise.
#[tokio::test(start_paused = true)]
async fn rt_5_what_another_layer_refused() {
    assert_eq!(attempts(ours(3), Kind::LocalRejection).await, 1);
    assert_eq!(attempts(theirs(3), Kind::LocalRejection).await, 3);
    assert_eq!(attempts(ours(3), Kind::Invalid).await, 1);
    assert_eq!(attempts(theirs(3), Kind::Invalid).await, 3);
    // RT-1: what may pass is tried as often by both.
    assert_eq!(attempts(ours(3), Kind::Dependency).await, 3);
    assert_eq!(attempts(theirs(3), Kind::Dependency).await, 3);
}

/// How often a request is cloned that fails in all of its attempts.
async fn clones<L>(layer: L) -> u64
where
    L: Layer<Probe, Service: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone>,
{
    let dependency = Dependency::with_places(usize::MAX);
    let mut rig = Rig::new(vec![layer.layer(dependency.service())]);
    let ask = Ask::new(1, Does::Answer(Answer::FAILS));
    let clones = ask.clones();
    rig.start_as(0, ask).expect("ready");
    rig.settle();
    for _ in 0..10 {
        rig.advance(200 * MILLI).await;
    }
    assert!(rig.end(1).is_some());
    clones.load(Ordering::Relaxed)
}

/// RT-8: theirs clones the request for its last attempt too, and where there is only one.
#[tokio::test(start_paused = true)]
async fn rt_8_a_request_is_cloned_for_the_last_attempt() {
    for attempts in [1, 3] {
        assert_eq!(clones(ours(attempts)).await, u64::from(attempts) - 1);
        assert_eq!(clones(theirs(attempts)).await, u64::from(attempts));
    }
}

/// When a call ends that may take 50 ms in total, and fails at once: in milliseconds; and whether its caller hears why.
async fn ends_in_a_timeout<L>(layer: L) -> (u128, bool)
where
    L: Layer<Probe, Service: Service<Ask, Response = u64, Error = Failed> + Clone>,
{
    let dependency = Dependency::with_places(usize::MAX);
    let total = TimeoutLayer::new(TimeoutConfig::total(DELAY / 2)).expect("good");
    let service = total.layer(layer.layer(dependency.service()));
    let (mut rig, start) = (Rig::new(vec![service]), Instant::now());
    let call = rig.call(0, Does::Answer(Answer::FAILS)).expect("ready");
    while rig.end(call).is_none() {
        rig.advance(MILLI).await;
    }
    let says_why = matches!(rig.end(call), Some(End::Result(Err(error))) if !error.is_elapsed());
    (start.elapsed().as_millis(), says_why)
}

/// RT-7: theirs begins to wait for an attempt that would come too late, and so the caller hears that time was up instead
/// of what went wrong.
#[tokio::test(start_paused = true)]
async fn rt_7_an_attempt_that_would_come_too_late() {
    assert_eq!(ends_in_a_timeout(ours(3)).await, (0, true));
    let (millis, says_why) = ends_in_a_timeout(theirs(3)).await;
    assert!(millis >= 50 && !says_why);
}

/// RT-4, row 26: of 1,000 requests 600 may be tried again, but tower's lets 1,000; of 30 % it lets 333.
#[tokio::test(start_paused = true)]
async fn rt_4_a_share_that_is_not_one_in_a_whole_number() {
    for (share, theirs) in [(0.6_f32, 1_000), (0.3, 333), (0.5, 500)] {
        let towers = TpsBudget::new(Duration::from_secs(10), 0, share);
        let config = BudgetConfig::default().ratio(share.into()).per_second(0);
        let ours = Core::new(&config.saved(1_000_000));
        for _ in 0..1_000 {
            towers.deposit();
            ours.deposit();
        }
        assert_eq!((0..5_000).take_while(|_| towers.withdraw()).count(), theirs);
        let retries = (0..5_000).take_while(|_| ours.withdraw(|| 0)).count();
        let wanted = f64::from(share) * 1_000.0;
        assert!(
            (retries as f64 - wanted).abs() < 1.0,
            "{retries} of {wanted}"
        );
    }
}

/// RT-3, row 29: the requests of one layer of tower's wait for the very same times.
#[tokio::test(start_paused = true)]
async fn rt_3_two_requests_that_failed_together() {
    let mut maker =
        ExponentialBackoffMaker::new(DELAY, 100 * DELAY, 1.0, HasherRng::default()).expect("good");
    let mut waits = Vec::new();
    for _ in 0..2 {
        let mut backoff = maker.make_backoff();
        let start = Instant::now();
        for _ in 0..4 {
            backoff.next_backoff().await;
        }
        waits.push(start.elapsed());
    }
    assert_eq!(waits[0], waits[1]);
    let backoff = Backoff::from(&RetryConfig::default().jitter(Jitter::Full));
    let random = crate::resilience::random::Randoms::new(Some(7));
    let [one, other] = [(); 2].map(|()| {
        let mut progress = Progress::default();
        [(); 4].map(|()| backoff.next(&mut progress, random.next()))
    });
    assert_ne!(one, other);
}
