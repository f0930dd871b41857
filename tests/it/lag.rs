use std::time::Duration;

use algedonic::{Buffer, Bus, ErrorKind, Verdict};
use futures_util::FutureExt;

use crate::events::Tick;

#[tokio::test]
async fn drop_oldest_keeps_the_latest_and_tells_how_many_are_missing() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_oldest(3));
    for number in 0..10 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let gap = slow
        .recv()
        .await
        .expect("open")
        .expect_err("a gap comes first");
    assert_eq!((gap.from, gap.to, gap.missed), (0, 6, 7));
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
    assert_eq!(bus.books().total().abandoned, 1, "the first one");
}

/// All or nothing: cancelled while it waits for one, it has reached nobody, and nobody misses it.
#[tokio::test]
async fn a_cancelled_publish_has_not_happened() {
    let bus = Bus::local();
    let mut full = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(0)).await.expect("open");
    let mut roomy = bus.subscribe_with::<Tick>(Buffer::block(4));
    assert!(bus.publish(Tick::new(1)).now_or_never().is_none());
    assert!(roomy.recv().now_or_never().is_none());
    assert_eq!(bus.counts().published, 1);

    assert_eq!(full.recv().await.expect("open").expect("no gap").number, 0);
    bus.publish(Tick::new(2)).await.expect("open");
    assert_eq!(full.recv().await.expect("open").expect("no gap").number, 2);
    assert_eq!(roomy.recv().await.expect("open").expect("no gap").number, 2);
    bus.books().assert_balanced();
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

/// Nobody gets an event before everybody can have it.
#[tokio::test]
async fn a_full_pattern_subscriber_that_blocks_holds_the_event() {
    let bus = Bus::local();
    let mut full = bus
        .subscribe_pattern_with("#", Buffer::block(1))
        .expect("a pattern");
    bus.publish(Tick::new(0)).await.expect("open");
    let mut roomy = bus.subscribe::<Tick>();
    let publish = bus.publish(Tick::new(1));
    tokio::pin!(publish);
    assert!((&mut publish).now_or_never().is_none(), "it waits");
    assert!(roomy.recv().now_or_never().is_none());
    full.recv().await.expect("open").expect("no gap");
    assert_eq!(publish.await.expect("open").local().subscribers, 2);
    assert_eq!(roomy.recv().await.expect("open").expect("no gap").number, 1);
}

/// It keeps the oldest, and is told in the right place.
#[tokio::test]
async fn drop_newest_keeps_the_first_and_tells_where_the_others_are_missing() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_newest(2));
    for number in 0..5 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    for number in 0..2 {
        let event = slow.recv().await.expect("open").expect("no gap");
        assert_eq!(event.number, number);
    }
    bus.publish(Tick::new(5)).await.expect("open");
    let gap = slow.recv().await.expect("open").expect_err("a gap");
    assert_eq!((gap.from, gap.to, gap.missed), (2, 4, 3));
    let event = slow.recv().await.expect("open").expect("no gap");
    assert_eq!(event.number, 5);
    assert_eq!(bus.books().total().dropped, 3);
    bus.books().assert_balanced();
}

/// The publisher learns, and nobody has the event; when there is room it can be published again.
#[tokio::test]
async fn error_makes_publishing_fail_while_it_is_full() {
    let bus = Bus::local();
    let mut other = bus.subscribe::<Tick>();
    let mut strict = bus.subscribe_with::<Tick>(Buffer::error(1));
    bus.publish(Tick::new(0)).await.expect("room");
    let refused = bus.publish(Tick::new(1)).await.expect_err("full");
    assert_eq!(
        (refused.kind(), refused.verdict()),
        (ErrorKind::Busy, Verdict::Transient)
    );
    strict.recv().await.expect("open").expect("no gap");
    bus.publish(Tick::new(1)).await.expect("room again");
    for number in 0..2 {
        let event = other.recv().await.expect("open").expect("no gap");
        assert_eq!(event.number, number);
    }
    assert_eq!(bus.counts().refused, 1);
    bus.books().assert_balanced();
}

#[test]
#[should_panic(expected = "at most 1,048,576 events")]
fn a_buffer_beyond_reason_is_refused() {
    let _ = Buffer::drop_oldest(1 << 40);
}

/// Also where others have room for long.
#[tokio::test]
async fn a_subscriber_that_comes_later_is_waited_for_from_its_first_event() {
    let bus = Bus::local();
    let _roomy = bus.subscribe_with::<Tick>(Buffer::block(100));
    bus.publish(Tick::new(0)).await.expect("open");
    let mut narrow = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(1)).await.expect("open");
    let waits = bus.publish(Tick::new(2));
    tokio::pin!(waits);
    assert!((&mut waits).now_or_never().is_none(), "no room");
    let first = narrow.recv().await.expect("open").expect("no gap");
    assert_eq!(first.number, 1);
    waits.await.expect("open");
}
