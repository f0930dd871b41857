use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Bus, Counts, DeadLetterKind, Error, ErrorKind, Fail, Retry};
use tokio::{sync::mpsc, time::Instant};

use crate::events::Tick;

const SECOND: Duration = Duration::from_secs(1);

/// Runs one event through a handler that fails in the given ways, then succeeds; says when the
/// attempts were, in time since the first.
async fn attempts(
    retry: Retry,
    fail: impl Fn(usize) -> Option<Fail> + Send + 'static,
) -> (Vec<Duration>, Bus) {
    let bus = Bus::local();
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let handler = bus.on::<Tick>().retry(retry).handle(move |_| {
        let mut seen = seen.lock().expect("whole");
        seen.push(Instant::now());
        let failure = fail(seen.len());
        async move { failure.map_or(Ok(()), Err) }
    });
    bus.publish(Tick::new(1)).await.expect("open");
    let drained = handler.drain().await;
    assert_eq!((drained.finished, drained.abandoned), (1, 0));
    let times = times.lock().expect("whole");
    (times.iter().map(|time| *time - times[0]).collect(), bus)
}

fn kind(bus: &Bus) -> DeadLetterKind {
    let letters = bus.dead_letters().list();
    assert_eq!(letters.len(), 1);
    letters[0].kind
}

/// Requirement 3.20.
#[tokio::test(start_paused = true)]
async fn a_failed_event_is_tried_again_after_a_growing_delay() {
    let retry = Retry::attempts(6).delays(SECOND, 4 * SECOND).seed(3);
    let failing = |n| (n < 6).then(|| Fail::from(io::Error::other("planted")));
    let (times, bus) = attempts(retry, failing).await;
    assert_eq!(times.len(), 6);
    for (pair, limit) in times.windows(2).zip([1, 2, 4, 4, 4]) {
        // The clock of the tests has milliseconds.
        assert!(pair[1].saturating_sub(pair[0]) <= limit * SECOND + Duration::from_millis(1));
    }
    let Counts {
        handled,
        failed,
        retried,
        dead_lettered,
        ..
    } = bus.counts();
    assert_eq!((handled, failed, retried, dead_lettered), (1, 5, 5, 0));
}

/// Requirement 0.16.
#[tokio::test(start_paused = true)]
async fn the_last_attempt_makes_a_dead_letter() {
    let (times, bus) = attempts(Retry::attempts(3), |_| Some("planted".into())).await;
    assert_eq!((times.len(), kind(&bus)), (3, DeadLetterKind::Exhausted));
    let Counts {
        handled,
        failed,
        retried,
        dead_lettered,
        ..
    } = bus.counts();
    assert_eq!((handled, failed, retried, dead_lettered), (0, 3, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_not_tried_again() {
    let permanent = || Error::permanent(ErrorKind::Denied, "open the door");
    let verdicts: [fn() -> Fail; 3] = [
        || Fail::dead_letter("no use"),
        || Error::permanent(ErrorKind::Denied, "open the door").into(),
        || io::Error::other(Error::permanent(ErrorKind::Denied, "open the door")).into(),
    ];
    for fail in verdicts {
        let (times, bus) = attempts(Retry::attempts(5), move |_| Some(fail())).await;
        assert_eq!((times.len(), kind(&bus)), (1, DeadLetterKind::Failed));
    }
    // What the handler states counts more than the error.
    let stated = move |_| Some(Fail::retry(permanent()));
    let (times, _) = attempts(Retry::attempts(5), stated).await;
    assert_eq!(times.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_stated_delay_is_a_lower_bound() {
    let retry = Retry::attempts(2).delays(SECOND, SECOND);
    let (times, _) = attempts(retry, |_| Some(Fail::retry_after(60 * SECOND, "later"))).await;
    assert!(
        times[1] >= 60 * SECOND && times[1] < 62 * SECOND,
        "{times:?}"
    );
}

/// No delay is a reason to forget an event, or to panic.
#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_clock_is_waited_for() {
    let bus = Bus::local();
    let handler = bus
        .on::<Tick>()
        .retry(Retry::attempts(2))
        .handle(|_| async { Err(Fail::retry_after(Duration::MAX, "later")) });
    bus.publish(Tick::new(1)).await.expect("open");
    let drained = handler.drain_within(SECOND).await;
    assert_eq!((drained.finished, drained.abandoned), (0, 1));
    assert_eq!(bus.counts().retried, 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_there_is_one_attempt_and_without_keys_the_order_is_kept() {
    let (times, bus) = attempts(Retry::default(), |_| Some(Fail::retry("planted"))).await;
    assert_eq!((times.len(), kind(&bus)), (1, DeadLetterKind::Exhausted));

    let (bus, (done, mut handled)) = (Bus::local(), mpsc::unbounded_channel());
    let mut first = true;
    let _handler = bus
        .on::<Tick>()
        .retry(Retry::attempts(2))
        .handle(move |tick| {
            let fails = std::mem::take(&mut first);
            done.send(tick.number).expect("the test is listening");
            async move { if fails { Err("planted") } else { Ok(()) } }
        });
    for number in 0..3 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    for number in [0, 0, 1, 2] {
        assert_eq!(handled.recv().await, Some(number));
    }
}
