use std::time::Duration;

use algedonic::{Buffer, Bus, PublishOptions};
use futures_util::FutureExt;

use crate::events::Tick;

fn publish(bus: &Bus, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let publish = bus.publish(Tick::new(number)).now_or_never();
        publish.expect("room").expect("open");
    }
}

fn publish_expired(bus: &Bus, number: u64) {
    let past = PublishOptions::new().ttl(Duration::ZERO);
    let publish = bus.publish_with(Tick::new(number), past).now_or_never();
    publish.expect("room").expect("open");
}

/// A batch that begins after a gap holds no more than the buffer does, and what is unread beside it
/// can be asked for.
#[test]
fn a_batch_after_a_gap_is_within_the_buffer() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_oldest(2));
    publish(&bus, 0..10);
    let gap = slow.recv().now_or_never().expect("ready").expect("open");
    assert_eq!(gap.expect_err("a gap").missed, 8);
    publish(&bus, 10..40);
    {
        let batch = slow.recv_many(100).now_or_never().expect("ready");
        let batch = batch.expect("open").expect("its own after the gap");
        // One that was kept at the gap; the next but one has been overwritten since.
        let numbers: Vec<_> = batch.iter().map(|tick| tick.number).collect();
        assert_eq!(numbers, [8]);
    }
    assert_eq!(slow.unread(), 2);
    let gap = slow.recv().now_or_never().expect("ready").expect("open");
    let gap = gap.expect_err("a gap");
    assert_eq!((gap.from, gap.to), (9, 37));
    let batch = slow.recv_many(100).now_or_never().expect("ready");
    assert_eq!(batch.expect("open").expect("events").len(), 2);
    assert_eq!(slow.unread(), 0);
    bus.books().assert_balanced();
}

/// What is lent does not hide what waits behind it.
#[test]
fn unread_counts_what_is_behind_the_lent_event() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_oldest(1));
    publish(&bus, 0..1);
    let lent = slow.recv_ref().now_or_never().expect("ready");
    assert_eq!(lent.expect("open").expect("no gap").number, 0);
    assert_eq!(slow.unread(), 0);
    publish(&bus, 1..6);
    assert_eq!(slow.unread(), 1);
    bus.books().assert_balanced();
}

/// A gap is told also where a batch comes upon it behind an event whose time has passed.
#[test]
fn a_gap_behind_an_expired_event_is_told() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::drop_newest(2));
    publish(&bus, 0..1);
    publish_expired(&bus, 1);
    publish(&bus, 2..5);
    let batch = slow.recv_many(10).now_or_never().expect("ready");
    assert_eq!(batch.expect("open").expect("an event").len(), 1);
    let gap = slow.recv().now_or_never().expect("a gap waits");
    let gap = gap.expect("open").expect_err("a gap");
    assert_eq!((gap.from, gap.to, gap.missed), (2, 4, 3));
    bus.books().assert_balanced();
}
