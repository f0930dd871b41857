use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use algedonic::{Bus, Loss, RequestError, Verdict};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Ask, How, balanced, obey};
use crate::patience::{until, within};

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let bus = Bus::local();
    let asking = bus.request(Ask::new(1, How::Answer)).into_future();
    let failed = asking.now_or_never().expect("at once").expect_err("nobody");
    assert_eq!(failed, RequestError::NoResponder);
    assert_eq!(failed.verdict(), Verdict::Transient);
    assert_eq!(bus.counts().requests_refused, 1);
    assert!(balanced(&bus));
}

/// Requirement 2.06: the timeout is handled inside.
#[tokio::test(start_paused = true)]
async fn the_deadline_is_met_to_the_millisecond_and_frees_the_responder() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().with(obey);
    let start = Instant::now();
    let hung = bus.request(Ask::new(1, How::Hang));
    let queued = bus.request(Ask::new(2, How::Answer));
    let queued = queued.timeout(Duration::from_secs(1));
    let (hung, queued) = tokio::join!(hung.into_future(), queued.into_future());
    assert_eq!(start.elapsed(), Duration::from_secs(5), "the default");
    assert_eq!(hung, Err(RequestError::TimedOut { begun: true }));
    assert_eq!(queued, Err(RequestError::TimedOut { begun: false }));
    assert_eq!(bus.request(Ask::new(3, How::Answer)).await, Ok(3));
    assert_eq!(bus.counts().requests_timed_out, 2);
    assert!(balanced(&bus));
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_room_counts_too() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().capacity(1).with(obey);
    let ask = |number, how, seconds| {
        let asking = bus.request(Ask::new(number, how));
        asking.timeout(Duration::from_secs(seconds)).into_future()
    };
    let start = Instant::now();
    let (first, second, late, patient) = tokio::join!(
        ask(1, How::Take(Duration::from_secs(2)), 10),
        ask(2, How::Take(Duration::from_secs(2)), 10),
        ask(3, How::Answer, 1),
        ask(4, How::Answer, 10),
    );
    assert_eq!((first, second, patient), (Ok(1), Ok(2), Ok(4)));
    assert_eq!(late, Err(RequestError::TimedOut { begun: false }));
    assert_eq!(start.elapsed(), Duration::from_secs(4));
    let longest = bus.request(Ask::new(5, How::Answer));
    assert_eq!(longest.timeout(Duration::MAX).await, Ok(5));
}

#[tokio::test]
async fn a_panic_ends_the_request_and_not_the_responder() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().with(|asked| {
        assert!(asked.number != 2, "a planted panic in the call");
        obey(asked)
    });
    let (in_future, in_call) = tokio::join!(
        bus.request(Ask::new(1, How::Panic)).into_future(),
        bus.request(Ask::new(2, How::Answer)).into_future(),
    );
    let lost = RequestError::Lost(Loss::Panicked);
    assert_eq!((in_future, in_call), (Err(lost.clone()), Err(lost.clone())));
    assert_eq!(lost.verdict(), Verdict::Permanent);
    assert_eq!(bus.request(Ask::new(3, How::Answer)).await, Ok(3));
    let counts = bus.counts();
    assert_eq!((counts.panicked, counts.requests_lost), (2, 2));
    assert!(balanced(&bus));
}

/// Sets a flag when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The asker's future dropped in each of its states: waiting for room, queued, begun.
#[tokio::test]
async fn a_request_whose_asker_left_is_taken_back_or_cut_off() {
    let bus = Bus::local();
    let cut_off = Arc::new(AtomicBool::new(false));
    let begun = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (flag, log) = (Arc::clone(&cut_off), Arc::clone(&begun));
    let _responder = bus.respond::<Ask>().capacity(1).with(move |asked| {
        let flag = Flag(Arc::clone(&flag));
        log.lock().expect("whole").push(asked.number);
        async move {
            let _flag = flag;
            obey(asked).await
        }
    });
    let mut asked: Vec<_> = [How::Hang, How::Answer, How::Answer, How::Answer]
        .into_iter()
        .zip(0..)
        .map(|(how, number)| bus.request(Ask::new(number, how)).into_future())
        .collect();
    assert!((&mut asked[0]).now_or_never().is_none());
    until("the first", || begun.lock().expect("whole").len() == 1).await;
    for asked in &mut asked[1..] {
        assert!(asked.now_or_never().is_none());
    }
    let last = asked.pop().expect("four");
    // Without room, then queued; the last moves up both times.
    drop(asked.pop());
    drop(asked.pop());
    assert!(!cut_off.load(Ordering::Relaxed));
    drop(asked.pop());
    assert_eq!(within("the last", last).await, Ok(3));
    assert!(cut_off.load(Ordering::Relaxed));
    assert_eq!(*begun.lock().expect("whole"), [0, 3]);
    assert_eq!(bus.counts().requests_withdrawn, 3);
    assert!(balanced(&bus));
}

#[tokio::test]
async fn never_polled_it_was_never_asked() {
    let bus = Bus::local();
    let _responder = bus.respond::<Ask>().with(obey);
    drop(bus.request(Ask::new(1, How::Answer)).into_future());
    assert_eq!(bus.counts().requests, 0);
}
