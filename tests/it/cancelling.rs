use algedonic::{Buffer, Bus, Gap, PatternSubscription, Subscription};
use futures_util::FutureExt;

use crate::{events::Tick, wakers::Held};

const POLICIES: [Buffer; 4] = [
    Buffer::block(4),
    Buffer::drop_oldest(4),
    Buffer::drop_newest(4),
    Buffer::error(4),
];

fn publish(bus: &Bus, number: u64) {
    let publish = bus.publish(Tick::new(number)).now_or_never();
    publish.expect("room").expect("open");
}

/// A wait for the next event, however it is read.
fn wait(subscription: &mut Subscription<Tick>, way: u64) -> Held<'_, Option<Result<u64, Gap>>> {
    match way {
        0 => Held::new(async move {
            let event = subscription.recv().await?;
            Some(event.map(|tick| tick.number))
        }),
        1 => Held::new(async move {
            let event = subscription.recv_ref().await?;
            Some(event.map(|tick| tick.number))
        }),
        _ => Held::new(async move {
            let batch = subscription.recv_many(8).await?;
            Some(batch.map(|batch| {
                assert_eq!(batch.len(), 1);
                batch.iter().next().expect("one").number
            }))
        }),
    }
}

fn wait_by_pattern(subscription: &mut PatternSubscription) -> Held<'_, Option<Result<u64, Gap>>> {
    Held::new(async move {
        let event = subscription.recv().await?;
        Some(event.map(|event| event.downcast::<Tick>().expect("a tick").number))
    })
}

/// A recv that was woken and is dropped before it is polled has taken nothing, and the next one is
/// woken as well.
#[test]
fn a_woken_recv_that_is_dropped_has_taken_nothing() {
    for buffer in POLICIES {
        for way in 0..3 {
            let bus = Bus::local();
            let mut subscription = bus.subscribe_with(buffer);
            for number in 0..100 {
                // Another task waited before.
                assert!(wait(&mut subscription, way).poll().is_none());
                let mut dropped = wait(&mut subscription, way);
                assert!(dropped.poll().is_none());
                publish(&bus, number);
                assert!(dropped.is_woken(), "{buffer:?}, way {way}");
                drop(dropped);
                let mut next = wait(&mut subscription, (way + number) % 3);
                assert_eq!(next.poll(), Some(Some(Ok(number))), "{buffer:?}, way {way}");
            }
            // What was lent last is given back.
            drop(subscription);
            bus.books().assert_balanced();
            assert_eq!(bus.counts().delivered, 100);
        }
    }
}

#[test]
fn a_woken_recv_of_a_pattern_that_is_dropped_has_taken_nothing() {
    for buffer in POLICIES {
        let bus = Bus::local();
        let subscription = bus.subscribe_pattern_with("test.*", buffer);
        let mut subscription = subscription.expect("a pattern");
        for number in 0..100 {
            assert!(wait_by_pattern(&mut subscription).poll().is_none());
            let mut dropped = wait_by_pattern(&mut subscription);
            assert!(dropped.poll().is_none());
            publish(&bus, number);
            assert!(dropped.is_woken(), "{buffer:?}");
            drop(dropped);
            let mut next = wait_by_pattern(&mut subscription);
            assert_eq!(next.poll(), Some(Some(Ok(number))), "{buffer:?}");
        }
        bus.books().assert_balanced();
    }
}

/// Woken for an event that is overwritten before anybody looks: it is told, not forgotten.
#[test]
fn what_a_dropped_recv_was_woken_for_is_told_when_it_is_overwritten() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with(Buffer::drop_oldest(1));
    let mut dropped = wait(&mut slow, 0);
    assert!(dropped.poll().is_none());
    publish(&bus, 0);
    assert!(dropped.is_woken());
    drop(dropped);
    publish(&bus, 1);
    let gap = wait(&mut slow, 0).poll().expect("ready").expect("open");
    assert_eq!(gap.expect_err("a gap").missed, 1);
    assert_eq!(wait(&mut slow, 0).poll(), Some(Some(Ok(1))));
}

/// A publish that is dropped while it waits has not happened, for nobody of those it was for; the
/// same event, published again, is not doubled.
#[test]
fn a_publish_dropped_while_it_waits_has_not_happened_for_anybody() {
    for pattern in [false, true] {
        let bus = Bus::local();
        let mut others: Vec<_> = POLICIES
            .into_iter()
            .map(|buffer| bus.subscribe_with(buffer))
            .collect();
        let mut by_pattern = bus.subscribe_pattern("#").expect("a pattern");
        let mut full = (!pattern).then(|| bus.subscribe_with::<Tick>(Buffer::block(1)));
        let mut full_pattern = pattern.then(|| {
            let full = bus.subscribe_pattern_with("#", Buffer::block(1));
            full.expect("a pattern")
        });
        for number in 0..50 {
            publish(&bus, number);
            for woken in [false, true] {
                let mut waits = Held::new(bus.publish(Tick::new(1000 + number)));
                assert!(waits.poll().is_none());
                if woken {
                    if let Some(full) = &mut full {
                        assert_eq!(wait(full, 0).poll(), Some(Some(Ok(number))));
                    }
                    if let Some(full) = &mut full_pattern {
                        assert_eq!(wait_by_pattern(full).poll(), Some(Some(Ok(number))));
                    }
                    assert!(waits.is_woken());
                }
                drop(waits);
            }
            for other in &mut others {
                assert_eq!(wait(other, number % 3).poll(), Some(Some(Ok(number))));
                assert!(wait(other, 0).poll().is_none());
            }
            assert_eq!(
                wait_by_pattern(&mut by_pattern).poll(),
                Some(Some(Ok(number)))
            );
            assert!(wait_by_pattern(&mut by_pattern).poll().is_none());
        }
        assert_eq!(bus.counts().published, 50);
        bus.books().assert_balanced();
    }
}
