use std::sync::Arc;

use algedonic::{Buffer, Bus, Event, Gap};
use futures_util::FutureExt;

use crate::{events::Tick, wakers::Held};

/// An event whose instances can be counted.
struct Counted {
    number: u64,
    _token: Arc<()>,
}

impl Event for Counted {
    const NAME: &'static str = "test.counted";
}

/// One that keeps one event while 100,000 pass: each is delivered or told, and few are in memory.
#[test]
fn a_buffer_of_one_is_exact_over_a_hundred_thousand_events() {
    const EVENTS: u64 = 100_000;
    for buffer in [Buffer::drop_oldest(1), Buffer::drop_newest(1)] {
        for pattern in [false, true] {
            let bus = Bus::local();
            let token = Arc::new(());
            let mut typed = (!pattern).then(|| bus.subscribe_with::<Counted>(buffer));
            let mut by_pattern = pattern.then(|| {
                let subscription = bus.subscribe_pattern_with("#", buffer);
                subscription.expect("a pattern")
            });
            let mut receive = || -> Option<Result<u64, Gap>> {
                if let Some(typed) = &mut typed {
                    let item = typed.recv().now_or_never()?.expect("open");
                    return Some(item.map(|event| event.number));
                }
                let by_pattern = by_pattern.as_mut().expect("the other");
                let item = by_pattern.recv().now_or_never()?.expect("open");
                Some(item.map(|event| event.downcast::<Counted>().expect("counted").number))
            };
            // Each event's number is its place in the line, so that it can be seen.
            let mut place = 0;
            let mut seen = |item: Result<u64, Gap>| match item {
                Ok(number) => {
                    assert_eq!(number, place, "{buffer:?}");
                    place += 1;
                    true
                }
                Err(gap) => {
                    assert_eq!(gap.from, place, "{buffer:?}");
                    place += gap.missed;
                    false
                }
            };
            let mut delivered = 0;
            for number in 0..EVENTS {
                let event = Counted {
                    number,
                    _token: Arc::clone(&token),
                };
                let publish = bus.publish(event).now_or_never();
                publish.expect("never waits").expect("open");
                // The log's two segments of 64, and the one that the reader is on.
                assert!(Arc::strong_count(&token) <= 3 * 64 + 2, "{number} are kept");
                if number % 997 == 0 {
                    delivered += u64::from(receive().is_some_and(&mut seen));
                }
            }
            while let Some(item) = receive() {
                delivered += u64::from(seen(item));
            }
            assert_eq!(place, EVENTS);
            bus.books().assert_balanced();
            let total = bus.books().total();
            assert_eq!((total.offered, total.delivered), (EVENTS, delivered));
            assert_eq!(total.dropped, EVENTS - delivered);
        }
    }
}

/// One of 64 subscribers is slow and may lose events: each publish is ready when it is polled for the
/// first time, and the others have all.
#[test]
fn one_slow_subscriber_of_many_costs_the_publisher_no_poll() {
    const EVENTS: u64 = 5_000;
    let slow = [Buffer::drop_oldest(4), Buffer::drop_newest(4)];
    for (buffer, pattern) in slow
        .into_iter()
        .flat_map(|slow| [(slow, false), (slow, true)])
    {
        let bus = Bus::local();
        let typed = (!pattern).then(|| bus.subscribe_with::<Tick>(buffer));
        let by_pattern = pattern.then(|| bus.subscribe_pattern_with("#", buffer));
        let mut others: Vec<_> = (0..63)
            .map(|_| bus.subscribe_with::<Tick>(Buffer::block(16)))
            .collect();
        let (mut polls, mut read) = (0, 0);
        for number in 0..EVENTS {
            let mut publish = Held::new(bus.publish(Tick::new(number)));
            let receipt = loop {
                polls += 1;
                assert!(polls <= EVENTS, "{number} has to wait");
                if let Some(receipt) = publish.poll() {
                    break receipt.expect("open");
                }
            };
            // Who keeps the oldest has not taken a new one.
            assert!(receipt.local().subscribers >= 63);
            if number % 16 == 15 {
                for other in &mut others {
                    for number in read..=number {
                        let next = other.recv().now_or_never().expect("ready");
                        assert_eq!(next.expect("open").expect("no gap").number, number);
                    }
                }
                read = number + 1;
            }
        }
        assert_eq!(polls, EVENTS);
        let total = bus.books().total();
        assert_eq!(total.dropped, EVENTS - 4, "only the slow one lost any");
        assert_eq!(total.offered, 64 * EVENTS);
        bus.books().assert_balanced();
        drop((typed, by_pattern));
    }
}

/// An event on pages of its own.
#[repr(align(4096))]
struct Page(u8, #[expect(dead_code, reason = "counted")] Arc<()>);

impl Event for Page {
    const NAME: &'static str = "test.page";
}

/// An event lies where its type wants it, in the log and beside it, and is dropped once.
#[test]
fn an_event_may_want_a_page_of_its_own() {
    let bus = Bus::local();
    let token = Arc::new(());
    let mut log = bus.subscribe_with::<Page>(Buffer::block(200));
    let mut inbox = bus.subscribe_with::<Page>(Buffer::error(200));
    for number in 0..200 {
        let publish = bus.publish(Page(number, Arc::clone(&token)));
        publish.now_or_never().expect("room").expect("open");
    }
    for number in 0..200 {
        let own = log.recv().now_or_never().expect("ready").expect("open");
        let own = own.expect("no gap");
        let lent = inbox.recv_ref().now_or_never().expect("ready");
        let lent = lent.expect("open").expect("no gap");
        for page in [&*own, lent.get()] {
            assert_eq!(
                (page.0, std::ptr::from_ref(page).addr() % 4096),
                (number, 0)
            );
        }
    }
    drop((log, inbox));
    assert_eq!(Arc::strong_count(&token), 1);
}

/// One of many types, all of one name.
struct Nth<const A: usize, const B: usize>(usize);

impl<const A: usize, const B: usize> Event for Nth<A, B> {
    const NAME: &'static str = "test.nth";
}

/// Reads what it has, which is one event.
type ReadOne = Box<dyn FnMut() -> usize + Send>;

fn subscribe_nth<const A: usize, const B: usize>(bus: &Bus) -> ReadOne {
    let mut nth = bus.subscribe_with::<Nth<A, B>>(Buffer::block(2));
    Box::new(move || {
        let event = nth.recv().now_or_never().expect("ready").expect("open");
        event.expect("no gap").0
    })
}

fn publish_nth<const A: usize, const B: usize>(bus: &Bus) {
    let publish = bus.publish(Nth::<A, B>(A * 16 + B)).now_or_never();
    publish.expect("room").expect("open");
}

macro_rules! for_each_nth {
    ($does:ident($bus:expr)) => {
        for_each_nth!(@rows $does $bus; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@rows $does:ident $bus:expr; $($a:literal)*) => {
        [$(for_each_nth!(@row $does $bus; $a; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)),*]
    };
    (@row $does:ident $bus:expr; $a:literal; $($b:literal)*) => {
        [$($does::<$a, $b>($bus)),*]
    };
}

/// Many types, of one name, whose lanes several threads make at once: each has one of its own.
#[test]
fn types_are_told_apart_not_names() {
    let bus = Bus::local();
    let mut readers = std::thread::scope(|scope| {
        let subscribe = || for_each_nth!(subscribe_nth(&bus));
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(subscribe)).collect();
        let done = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        done.collect::<Result<Vec<_>, _>>().expect("no panic")
    });
    let _ = for_each_nth!(publish_nth(&bus));
    for of_one in &mut readers {
        let seen = of_one.iter_mut().flatten().map(|read| read());
        assert!(seen.eq(0..256));
    }
    let books = bus.books();
    assert_eq!(books.types.len(), 256);
    let each = |one: &algedonic::TypeBooks| (one.published, one.subscribers.len()) == (1, 3);
    assert!(books.types.iter().all(each));
    books.assert_balanced();
}
