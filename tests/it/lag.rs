use std::time::Duration;

use algedonic::{Buffer, Bus};
use futures_util::FutureExt;

use crate::events::Tick;

#[tokio::test]
async fn drop_oldest_keeps_the_latest_and_tells_how_many_are_missing() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_oldest(3));
    let mut dropped = 0;
    for number in 0..10 {
        let receipt = bus.publish(Tick::new(number)).await.expect("open");
        dropped += receipt.local().dropped;
    }
    assert_eq!(dropped, 7);
    let gap = slow
        .recv()
        .await
        .expect("open")
        .expect_err("a gap comes first");
    assert_eq!(gap.missed, 7);
    for number in 7..10 {
        let event = slow.recv().await.expect("open").expect("no gap");
        assert_eq!(event.number, number);
    }
    assert_eq!(bus.counts().dropped, 7);
}

#[tokio::test]
async fn block_holds_the_publisher_until_there_is_room() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(2));
    for number in 0..2 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let third = bus.publish(Tick::new(2));
    tokio::pin!(third);
    assert!((&mut third).now_or_never().is_none(), "no room");
    slow.recv().await.expect("open").expect("no gap");
    let receipt = third.await.expect("open");
    assert_eq!(receipt.local().subscribers, 1);
}

#[tokio::test]
async fn a_slow_lossy_subscriber_does_not_hold_the_publisher() {
    let bus = Bus::local();
    let _never_read = bus.subscribe_with::<Tick>(Buffer::drop_oldest(1));
    let mut read = bus.subscribe_with::<Tick>(Buffer::block(100));
    for number in 0..100 {
        let publish = bus.publish(Tick::new(number));
        publish.now_or_never().expect("never waits").expect("open");
    }
    assert_eq!(read.recv().await.expect("open").expect("no gap").number, 0);
}

#[tokio::test]
async fn a_dropped_subscriber_releases_the_publisher_at_once() {
    let bus = Bus::local();
    let full = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(0)).await.expect("open");
    let waiting = bus.publish(Tick::new(1));
    tokio::pin!(waiting);
    assert!((&mut waiting).now_or_never().is_none());
    drop(full);
    let receipt = tokio::time::timeout(Duration::from_secs(5), waiting)
        .await
        .expect("released")
        .expect("open");
    assert_eq!(receipt.local().subscribers, 0);
    assert_eq!(bus.counts().undelivered, 1);
}

#[tokio::test]
async fn a_cancelled_publish_reaches_who_has_room_and_tells_the_others() {
    let bus = Bus::local();
    let mut full = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(0)).await.expect("open");
    let mut roomy = bus.subscribe_with::<Tick>(Buffer::block(4));
    assert!(bus.publish(Tick::new(1)).now_or_never().is_none());
    assert_eq!(roomy.recv().await.expect("open").expect("no gap").number, 1);
    assert_eq!(bus.counts().undelivered, 1);

    let told = full
        .recv()
        .await
        .expect("open")
        .expect_err("told of the gap");
    assert_eq!(told.missed, 1);
    assert_eq!(full.recv().await.expect("open").expect("no gap").number, 0);
    bus.publish(Tick::new(2)).await.expect("open");
    assert_eq!(full.recv().await.expect("open").expect("no gap").number, 2);
}

#[tokio::test]
async fn a_cancelled_recv_loses_nothing() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    for number in 0..100 {
        assert!(ticks.recv().now_or_never().is_none());
        bus.publish(Tick::new(number)).await.expect("open");
        assert_eq!(
            ticks.recv().await.expect("open").expect("no gap").number,
            number
        );
    }
}

#[test]
#[should_panic(expected = "at least one event")]
fn a_buffer_of_nothing_is_refused() {
    let _ = Buffer::block(0);
}

/// Whoever has room gets the event, whatever stands full beside it, and of whichever kind.
#[tokio::test]
async fn a_full_pattern_subscriber_does_not_keep_the_event_from_others() {
    let bus = Bus::local();
    let mut full = bus
        .subscribe_pattern_with("#", Buffer::block(1))
        .expect("a pattern");
    bus.publish(Tick::new(0)).await.expect("open");
    let mut roomy = bus.subscribe::<Tick>();
    let publish = bus.publish(Tick::new(1));
    tokio::pin!(publish);
    assert!((&mut publish).now_or_never().is_none(), "it waits");
    assert_eq!(roomy.recv().await.expect("open").expect("no gap").number, 1);
    full.recv().await.expect("open").expect("no gap");
    assert_eq!(publish.await.expect("open").local().subscribers, 2);
}

#[test]
#[should_panic(expected = "at most 1,048,576 events")]
fn a_buffer_beyond_reason_is_refused() {
    let _ = Buffer::drop_oldest(1 << 40);
}
