use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use algedonic::{Buffer, Bus, ErrorKind};
use futures_util::FutureExt;

use crate::{events::Tick, patience::within, wakers::Held};

fn wait(bus: &Bus, number: u64) -> Held<'_, Result<algedonic::Receipt, algedonic::Error>> {
    let mut publish = Held::new(bus.publish(Tick::new(number)));
    assert!(publish.poll().is_none(), "no room for {number}");
    publish
}

fn fill(bus: &Bus) {
    let first = bus.publish(Tick::new(0)).now_or_never();
    first.expect("room").expect("open");
}

/// Three wait; the first is woken, and dropped before it has run: its turn goes to the second, and
/// the others are not forgotten.
#[test]
fn a_wake_up_that_is_not_used_is_passed_on() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    fill(&bus);
    let first = wait(&bus, 1);
    let (mut second, mut third) = (wait(&bus, 2), wait(&bus, 3));
    slow.recv().now_or_never().expect("one is there");
    assert!(first.is_woken());
    drop(first);
    assert!(second.is_woken());
    second.poll().expect("room").expect("open");
    assert!(third.poll().is_none());
    let two = slow.recv().now_or_never().expect("ready").expect("open");
    assert_eq!(two.expect("no gap").number, 2, "the first has not happened");
    assert!(third.is_woken());
    third.poll().expect("room").expect("open");
}

/// The same where they wait for a subscriber of a pattern.
#[test]
fn a_wake_up_that_is_not_used_is_passed_on_at_a_pattern() {
    let bus = Bus::local();
    let slow = bus.subscribe_pattern_with("#", Buffer::block(1));
    let mut slow = slow.expect("a pattern");
    fill(&bus);
    let first = wait(&bus, 1);
    let (mut second, third) = (wait(&bus, 2), wait(&bus, 3));
    slow.recv().now_or_never().expect("one is there");
    assert!(first.is_woken());
    drop(first);
    assert!(second.is_woken());
    second.poll().expect("room").expect("open");
    slow.recv().now_or_never().expect("the second is there");
    assert!(third.is_woken());
}

/// A subscriber that leaves lets in everybody who waits for it.
#[test]
fn a_subscriber_that_leaves_releases_all_who_wait() {
    for pattern in [false, true] {
        let bus = Bus::local();
        let typed = (!pattern).then(|| bus.subscribe_with::<Tick>(Buffer::block(1)));
        let by_pattern = pattern.then(|| bus.subscribe_pattern_with("#", Buffer::block(1)));
        fill(&bus);
        let waiting: Vec<_> = (1..=5).map(|number| wait(&bus, number)).collect();
        drop((typed, by_pattern));
        for mut publish in waiting {
            assert!(publish.is_woken());
            publish.poll().expect("let in").expect("open");
        }
        bus.books().assert_balanced();
    }
}

/// Publishers that were woken in vain, since another was quicker, do not wake each other on and on.
#[test]
fn publishers_do_not_wake_each_other_for_nothing() {
    for pattern in [false, true] {
        let bus = Bus::local();
        let mut typed = (!pattern).then(|| bus.subscribe_with::<Tick>(Buffer::block(1)));
        let mut by_pattern = pattern
            .then(|| bus.subscribe_pattern_with("#", Buffer::block(1)))
            .map(|subscription| subscription.expect("a pattern"));
        fill(&bus);
        let mut waiting = [wait(&bus, 1), wait(&bus, 2)];
        if let Some(typed) = &mut typed {
            typed.recv().now_or_never().expect("one is there");
        }
        if let Some(by_pattern) = &mut by_pattern {
            by_pattern.recv().now_or_never().expect("one is there");
        }
        // Quicker than the one that was woken.
        fill(&bus);
        let mut polls = 0;
        while let Some(woken) = waiting.iter_mut().find(|publish| publish.is_woken()) {
            assert!(woken.poll().is_none());
            polls += 1;
            assert!(polls < 10, "each wakes the other");
        }
        assert!(polls > 0, "the first was woken");
    }
}

/// Whatever a publisher waits for, the deadline of a shutdown ends it.
#[tokio::test(start_paused = true)]
async fn publishers_that_wait_in_many_places_are_refused_at_the_deadline() {
    let bus = Bus::local();
    let _typed = bus.subscribe_with::<Tick>(Buffer::block(1));
    let _pattern = bus.subscribe_pattern_with("test.first", Buffer::block(1));
    let publish = |key: Option<&'static str>, number| {
        let bus = bus.clone();
        tokio::spawn(async move {
            match key {
                Some(key) => bus.publish(Keyed(key)).await.map(drop),
                None => bus.publish(Tick::new(number)).await.map(drop),
            }
        })
    };
    let stuck: Vec<_> = (0..4)
        .flat_map(|number| {
            [
                publish(None, number),
                publish(Some("test.first"), 0),
                publish(Some("test.other"), 0),
            ]
        })
        .collect();
    tokio::task::yield_now().await;
    let report = bus.shutdown(Duration::from_secs(4)).await;
    assert_eq!(report.unread, 2);
    let mut refused = 0;
    for publish in stuck {
        let outcome = within("a publisher", publish).await.expect("no panic");
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Closed);
            refused += 1;
        }
    }
    assert_eq!(refused, 6, "three at each that is full");
}

struct Keyed(&'static str);

impl algedonic::Event for Keyed {
    const NAME: &'static str = "test.keyed";

    fn key(&self) -> Result<algedonic::Key, algedonic::KeyError> {
        algedonic::Key::new(self.0)
    }
}

/// A publish that had to wait, polled once more after its end: the fault is the caller's, and nobody
/// else loses room, or the end.
#[test]
fn a_publish_polled_after_its_end_takes_no_room() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let mut other = bus.subscribe_with::<Tick>(Buffer::error(4));
    fill(&bus);
    let mut waits = wait(&bus, 1);
    slow.recv().now_or_never().expect("one is there");
    waits.poll().expect("room").expect("open");
    for _ in 0..4 {
        let again = catch_unwind(AssertUnwindSafe(|| waits.poll()));
        assert!(again.is_err(), "it has ended");
    }
    drop((waits, slow));
    while other.recv().now_or_never().is_some() {}
    (0..4).for_each(|_| fill(&bus));
    drop(bus);
    for _ in 0..4 {
        assert!(other.recv().now_or_never().expect("there").is_some());
    }
    assert!(other.recv().now_or_never().expect("the end").is_none());
}

/// A publish that waited and was then refused, kept by its owner: the end of the bus does not wait
/// for it.
#[tokio::test(start_paused = true)]
async fn a_refused_publish_that_is_kept_holds_up_no_shutdown() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let _full = bus.subscribe_with::<Tick>(Buffer::error(2));
    fill(&bus);
    let mut waits = wait(&bus, 1);
    slow.recv().now_or_never().expect("one is there");
    // Another is faster, and the last that has room in both.
    fill(&bus);
    let refused = waits.poll().expect("at once").expect_err("full");
    assert_eq!(refused.kind(), ErrorKind::Busy);
    slow.recv().now_or_never().expect("one is there");
    let start = tokio::time::Instant::now();
    bus.shutdown(Duration::from_secs(10)).await;
    assert!(start.elapsed() < Duration::from_secs(10));
    let books = bus.books();
    books.assert_balanced();
    drop(waits);
}
