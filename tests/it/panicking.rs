use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Wake},
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

/// Somebody's waker.
struct Planted;

impl Wake for Planted {
    fn wake(self: Arc<Self>) {
        panic!("the waker's own");
    }
}

/// A waker that panics, of somebody who sleeps: the others are woken, and get theirs, with all of their
/// room.
#[test]
fn a_waker_that_panics_harms_no_other() {
    for (buffer, pattern) in [
        (Buffer::block(8), false),
        (Buffer::drop_oldest(8), false),
        (Buffer::error(8), false),
        (Buffer::error(8), true),
    ] {
        let bus = Bus::local();
        let planted = Arc::new(Planted).into();
        let mut cx = Context::from_waker(&planted);
        let mut first = Reader::new(&bus, buffer, pattern);
        let sleeps = match &mut first {
            Reader::Type(first) => Box::pin(first.recv()).poll_unpin(&mut cx).is_pending(),
            Reader::Pattern(first) => Box::pin(first.recv()).poll_unpin(&mut cx).is_pending(),
        };
        assert!(sleeps);
        let mut same = bus.subscribe_with::<LastWords>(buffer);
        let mut same = Held::new(same.recv());
        assert!(same.poll().is_none());
        let mut full = bus.subscribe_with::<LastWords>(Buffer::error(1));
        let mut any = Reader::new(&bus, Buffer::error(1), true);
        for number in 0..2 {
            panics(|| publish(&bus, LastWords::silent(number)));
            if number == 0 {
                assert!(same.is_woken(), "{buffer:?}, pattern {pattern}");
            }
            let next = full.recv().now_or_never().expect("got").expect("open");
            assert_eq!(next.expect("no gap").number, number);
            let mut seen = Vec::new();
            any.read(&mut seen);
            assert_eq!(seen, [number]);
        }
        let mut seen = Vec::new();
        first.read(&mut seen);
        assert_eq!(seen, [0, 1]);
        bus.books().assert_balanced();
    }
}
