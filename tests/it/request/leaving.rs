use std::time::Duration;

use algedonic::{Bus, Loss, RequestError, Verdict};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{Ask, How, balanced, obey, scene};
use crate::patience::within;

#[tokio::test]
async fn a_dropped_responder_is_gone_at_once() {
    let scene = scene(How::Hang).await;
    drop(scene.responder);
    let next = scene.bus.request(Ask::new(3, How::Answer)).into_future();
    assert_eq!(next.now_or_never(), Some(Err(RequestError::NoResponder)));
    let queued = scene.queued.now_or_never().expect("at once");
    assert_eq!(queued, Err(RequestError::NoResponder), "never begun");
    let lost = within("the end of the task", scene.in_hand).await;
    let lost = lost.expect_err("cut off");
    assert_eq!(lost, RequestError::Lost(Loss::Gone), "begun");
    assert_eq!(lost.verdict(), Verdict::Transient);
    assert!(balanced(&scene.bus));
    // The next one finds an empty desk.
    let _next = scene.bus.respond::<Ask>().with(obey);
    assert_eq!(scene.bus.request(Ask::new(4, How::Answer)).await, Ok(4));
}

#[tokio::test]
async fn what_waits_is_left_to_the_others() {
    let scene = scene(How::Hang).await;
    let other = scene.bus.respond::<Ask>().with(obey);
    drop(scene.responder);
    assert_eq!(within("the other", scene.queued).await, Ok(2));
    drop(other);
    let next = scene.bus.request(Ask::new(3, How::Answer)).await;
    assert_eq!(next, Err(RequestError::NoResponder));
}

/// Places that are taken when their responder leaves are given up when they are free.
#[tokio::test]
async fn the_room_of_a_responder_goes_with_it() {
    let bus = Bus::local();
    let gone = bus.respond::<Ask>().capacity(3).with(obey);
    let stays = bus.respond::<Ask>().capacity(1).with(obey);
    let ask = |number| {
        let mut asked = bus.request(Ask::new(number, How::Answer)).into_future();
        assert!((&mut asked).now_or_never().is_none());
        asked
    };
    let mut queued: Vec<_> = (0..4).map(ask).collect();
    drop(gone);
    drop(queued.drain(..3));
    let without_room = ask(4);
    // What waits in the queue is answered, what waits for room is not.
    stays.drain().await;
    assert_eq!(without_room.await, Err(RequestError::NoResponder));
    assert_eq!(queued.pop().expect("one").await, Ok(3));
}

#[tokio::test]
async fn a_place_that_is_given_up_is_taken_by_the_next() {
    let bus = Bus::local();
    let responder = bus.respond::<Ask>().capacity(1).with(obey);
    let ask = |number| {
        let mut asked = bus.request(Ask::new(number, How::Answer)).into_future();
        assert!((&mut asked).now_or_never().is_none());
        asked
    };
    let (first, mut second) = (ask(1), ask(2));
    drop(first);
    assert!((&mut second).now_or_never().is_none());
    responder.drain().await;
    assert_eq!(second.await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_drained_responder_finishes_what_was_accepted() {
    let scene = scene(How::Take(Duration::from_secs(2))).await;
    let mut drained = Box::pin(scene.responder.drain());
    assert!((&mut drained).now_or_never().is_none());
    let next = scene.bus.request(Ask::new(3, How::Answer)).into_future();
    assert_eq!(next.now_or_never(), Some(Err(RequestError::NoResponder)));
    let (start, waiting) = (Instant::now(), tokio::spawn(scene.queued));
    let ((), in_hand) = tokio::join!(drained, scene.in_hand);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(in_hand, Ok(1));
    assert_eq!(waiting.await.expect("no panic"), Ok(2));
}

#[tokio::test(start_paused = true)]
async fn one_of_two_that_is_drained_leaves_the_queue_to_the_other() {
    let scene = scene(How::Take(Duration::from_secs(2))).await;
    let drained = scene.responder.drain();
    tokio::pin!(drained);
    let other = scene.bus.respond::<Ask>().with(obey);
    assert!((&mut drained).now_or_never().is_none());
    assert_eq!(scene.bus.request(Ask::new(3, How::Answer)).await, Ok(3));
    drop(other);
    assert_eq!(scene.in_hand.await, Ok(1));
    drained.await;
    let next = scene.bus.request(Ask::new(4, How::Answer)).await;
    assert_eq!(next, Err(RequestError::NoResponder));
}

#[test]
fn a_responder_whose_runtime_ended_is_gone() {
    let bus = Bus::local();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    let _responder = first.block_on(async { bus.respond::<Ask>().with(obey) });
    drop(first);
    let failed = runtime().block_on(bus.request(Ask::new(1, How::Answer)).into_future());
    assert_eq!(failed, Err(RequestError::NoResponder));
}
