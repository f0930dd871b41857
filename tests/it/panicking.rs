use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
    time::Duration,
};

use algedonic::{Buffer, Bus};
use futures_util::FutureExt;

use crate::{last_words::LastWords, wakers::Held};

/// Does something in which an event may be dropped. Whether it panicked.
fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

fn publish(bus: &Bus, event: LastWords) {
    let publish = bus.publish(event).now_or_never();
    publish.expect("room").expect("open");
}

/// The numbers that there are to read, at a subscriber of the type or of a pattern.
enum Reader {
    Type(algedonic::Subscription<LastWords>),
    Pattern(algedonic::PatternSubscription),
}

impl Reader {
    fn new(bus: &Bus, buffer: Buffer, pattern: bool) -> Self {
        if pattern {
            let subscription = bus.subscribe_pattern_with("#", buffer);
            Self::Pattern(subscription.expect("a pattern"))
        } else {
            Self::Type(bus.subscribe_with(buffer))
        }
    }

    /// Reads all there is; counts the panics on the way.
    fn read(&mut self, seen: &mut Vec<u64>) -> u32 {
        let mut panicked = 0;
        let mut more = true;
        while more {
            more = false;
            panicked += u32::from(panics(|| match self {
                Self::Type(subscription) => {
                    if let Some(item) = subscription.recv().now_or_never() {
                        more = true;
                        seen.extend(item.expect("open").map(|event| event.number));
                    }
                }
                Self::Pattern(subscription) => {
                    if let Some(item) = subscription.recv().now_or_never() {
                        more = true;
                        let event = item.expect("open").map(|event| event.downcast());
                        let event = event.map(|event| event.expect("its type"));
                        seen.extend(
                            event.map(|event: algedonic::Envelope<LastWords>| event.number),
                        );
                    }
                }
            }));
        }
        panicked
    }
}

/// One event among others whose drop panics, wherever that happens: it panics once, everybody has the
/// others, the books balance, and the bus goes on.
#[test]
fn an_event_whose_drop_panics_harms_no_other() {
    let policies = [
        Buffer::block(64),
        Buffer::error(64),
        Buffer::drop_oldest(64),
        Buffer::drop_newest(64),
        Buffer::drop_oldest(2),
        Buffer::drop_newest(2),
    ];
    for (buffer, pattern) in policies
        .into_iter()
        .flat_map(|one| [(one, false), (one, true)])
    {
        for bad in 0..50 {
            let bus = Bus::local();
            let mut reader = Reader::new(&bus, buffer, pattern);
            let mut witness = Reader::new(&bus, Buffer::block(64), false);
            let mut panicked = 0;
            for number in 0..50 {
                let event = if number == bad {
                    LastWords::new(number, || panic!("the event's own"))
                } else {
                    LastWords::silent(number)
                };
                panicked += u32::from(panics(|| publish(&bus, event)));
            }
            let expected: Vec<_> = (0..50).collect();
            let (mut seen, mut all) = (Vec::new(), Vec::new());
            panicked += reader.read(&mut seen);
            panicked += witness.read(&mut all);
            assert_eq!(all, expected, "{buffer:?}, pattern {pattern}, {bad}");
            if buffer == Buffer::drop_oldest(2) {
                assert_eq!(seen, [48, 49]);
            } else if buffer == Buffer::drop_newest(2) {
                assert_eq!(seen, [0, 1]);
            } else {
                assert_eq!(seen, all);
            }
            panicked += u32::from(panics(|| publish(&bus, LastWords::silent(50))));
            panicked += reader.read(&mut seen) + witness.read(&mut all);
            assert_eq!((seen.last(), all.last()), (Some(&50), Some(&50)));
            bus.books().assert_balanced();
            assert_eq!(bus.counts().published, 51);
            panicked += u32::from(panics(|| drop(reader)));
            panicked += u32::from(panics(|| drop(witness)));
            bus.books().assert_balanced();
            panicked += u32::from(panics(|| drop(bus)));
            assert_eq!(panicked, 1, "{buffer:?}, pattern {pattern}, {bad}");
        }
    }
}

/// A waker that panics.
struct Angry;

impl Wake for Angry {
    fn wake(self: Arc<Self>) {
        panic!("a planted panic");
    }
}

/// Begins to wait, to be woken by one that panics.
fn wait_angrily(subscription: &mut algedonic::Subscription<LastWords>) {
    let waker = Waker::from(Arc::new(Angry));
    let mut next = pin!(subscription.recv());
    let poll = next.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
}

#[tokio::test]
async fn a_waker_that_panics_costs_nobody_an_event_or_the_end() {
    for angry in [Buffer::block(4), Buffer::drop_newest(4)] {
        let bus = Bus::local();
        let mut first = bus.subscribe_with::<LastWords>(angry);
        let others = [Buffer::error(4), Buffer::drop_newest(4), Buffer::block(4)];
        let mut others = others.map(|buffer| bus.subscribe_with::<LastWords>(buffer));
        let mut held: Vec<_> = others
            .iter_mut()
            .map(|other| Held::new(other.recv()))
            .collect();
        assert!(
            held.iter_mut().all(|held| held.poll().is_none()),
            "nothing yet"
        );
        wait_angrily(&mut first);
        assert!(panics(|| publish(&bus, LastWords::silent(7))), "{angry:?}");
        for held in &mut held {
            assert!(held.is_woken(), "{angry:?}");
            let event = held.poll().expect("it is there").expect("open");
            assert_eq!(event.expect("no gap").number, 7);
        }
        drop(held);
        bus.shutdown(Duration::ZERO).await;
        for other in &mut others {
            assert!(other.recv().await.is_none());
        }
        bus.books().assert_balanced();
    }
}

#[test]
fn a_publish_that_is_polled_after_its_end_panics_and_leaves_nothing_behind() {
    let bus = Bus::local();
    let mut full = bus.subscribe_with::<LastWords>(Buffer::block(1));
    let mut other = bus.subscribe_with::<LastWords>(Buffer::error(4));
    publish(&bus, LastWords::silent(0));
    let mut waits = Held::new(bus.publish(LastWords::silent(1)));
    assert!(waits.poll().is_none(), "no room");
    full.recv()
        .now_or_never()
        .expect("one")
        .expect("open")
        .expect("no gap");
    waits.poll().expect("room").expect("open");
    assert!(panics(|| drop(waits.poll())));
    drop(waits);
    drop(bus);
    let mut left = 0;
    while let Some(item) = other.recv().now_or_never().expect("it ends") {
        item.expect("no gap");
        left += 1;
    }
    assert_eq!(left, 2);
}
