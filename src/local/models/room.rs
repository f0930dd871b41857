//! Publishers that wait for a subscriber's room, in the log and in an inbox: none is forgotten.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Waker},
};

use algedonic_transport::Pattern;
use loom::thread;

use super::{
    Lag, Subscription, Tick, block_on, check, lane, lane_with, publication, publish, read_one,
    subscribe,
};
use crate::{
    event::Event,
    local::{Buffer, Lane, patterns::Patterns},
};

/// A publish on a thread of its own, which has to end well.
fn publisher(lane: &Arc<Lane<Tick>>, number: u64) -> thread::JoinHandle<()> {
    let lane = Arc::clone(lane);
    thread::spawn(move || assert_eq!(block_on(publish(&lane, Tick(number))), Ok(1)))
}

/// A subscriber that is full with one event.
fn full(lane: &Arc<Lane<Tick>>, lag: Lag) -> Subscription<Tick> {
    let subscription = subscribe(lane, lag, 1);
    assert_eq!(block_on(publish(lane, Tick(0))), Ok(1));
    subscription
}

/// The policies whose subscribers are waited for: in the log, in an inbox.
const LAGS: [Lag; 2] = [Lag::Block, Lag::Error];

#[test]
fn room_in_the_log_is_noticed() {
    check(3, || {
        let lane = lane();
        let mut subscription = full(&lane, Lag::Block);
        let publisher = publisher(&lane, 1);
        assert_eq!(
            block_on(subscription.recv()).map(|tick| tick.expect("no gap").0),
            Some(0)
        );
        // It is neither read again nor dropped before: those let publishers in too.
        publisher.join().expect("no panic");
        drop(subscription);
    });
}

#[test]
fn room_in_an_inbox_is_noticed() {
    check(3, || {
        let lane = lane();
        let mut subscription = full(&lane, Lag::Error);
        let publisher = publisher(&lane, 1);
        assert_eq!(read_one(&mut subscription), 0);
        publisher.join().expect("no panic");
        drop(subscription);
    });
}

#[test]
fn publisher_and_subscriber_wake_each_other() {
    for lag in LAGS {
        check(3, move || {
            let lane = lane();
            let mut subscription = full(&lane, lag);
            let publisher = thread::spawn({
                let lane = Arc::clone(&lane);
                move || {
                    for number in 1..3 {
                        assert_eq!(block_on(publish(&lane, Tick(number))), Ok(1));
                    }
                }
            });
            for number in 0..3 {
                assert_eq!(read_one(&mut subscription), number);
            }
            publisher.join().expect("no panic");
        });
    }
}

#[test]
fn two_publishers_that_wait_both_get_room() {
    for lag in LAGS {
        check(2, move || {
            let lane = lane();
            let mut subscription = full(&lane, lag);
            let publishers = [publisher(&lane, 1), publisher(&lane, 2)];
            assert_eq!(read_one(&mut subscription), 0);
            let mut rest = [read_one(&mut subscription), read_one(&mut subscription)];
            rest.sort_unstable();
            assert_eq!(rest, [1, 2]);
            for publisher in publishers {
                publisher.join().expect("no panic");
            }
        });
    }
}

#[test]
fn a_subscriber_that_leaves_lets_publishers_go() {
    for lag in LAGS {
        check(3, move || {
            let lane = lane();
            let subscription = full(&lane, lag);
            let publisher = thread::spawn({
                let lane = Arc::clone(&lane);
                move || block_on(publish(&lane, Tick(1)))
            });
            drop(subscription);
            let subscribers = publisher.join().expect("no panic").expect("open");
            assert_eq!(subscribers, 0, "{lag:?}");
        });
    }
}

#[test]
fn a_publish_that_is_dropped_passes_its_wake_up_on() {
    for lag in LAGS {
        check(3, move || {
            let lane = lane();
            let mut subscription = full(&lane, lag);
            let mut first = publication(&lane, Tick(1));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(first.poll(Some(&mut cx)).is_pending());
            let second = publisher(&lane, 2);
            let reader = thread::spawn(move || {
                let tick = block_on(subscription.recv());
                assert_eq!(tick.expect("not the end").expect("no gap").0, 0);
                subscription
            });
            drop(first);
            second.join().expect("no panic");
            reader.join().expect("no panic");
        });
    }
}

#[test]
fn a_publish_that_finds_no_room_elsewhere_passes_its_wake_up_on() {
    check(2, || {
        let lane = lane();
        let mut log = subscribe(&lane, Lag::Block, 1);
        let mut inbox = subscribe(&lane, Lag::Error, 1);
        assert_eq!(block_on(publish(&lane, Tick(0))), Ok(2));
        let publishers = [1, 2].map(|number| {
            let lane = Arc::clone(&lane);
            thread::spawn(move || assert_eq!(block_on(publish(&lane, Tick(number))), Ok(2)))
        });
        for _ in 0..3 {
            let one = block_on(log.recv()).expect("not the end").expect("no gap");
            let other = block_on(inbox.recv()).expect("not the end");
            drop((one, other.expect("no gap")));
        }
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
    });
}

/// The one that was woken goes to wait at a pattern's inbox, which another type has filled meanwhile.
/// The room that it was woken for is the next one's, should it give up there.
#[test]
fn a_publish_that_gives_up_elsewhere_has_passed_its_wake_up_on() {
    check(3, || {
        let patterns = Arc::new(Patterns::new());
        let (lane, other) = (lane_with(&patterns), lane_with::<Tock>(&patterns));
        let all = Pattern::new("#").expect("a pattern");
        let inbox = patterns.subscribe(&all, Buffer::block(1));
        let take = || block_on(poll_fn(|cx| inbox.poll_take(cx).map(drop)));
        let mut subscription = subscribe(&lane, Lag::Block, 1);
        assert_eq!(block_on(publish(&lane, Tick(0))), Ok(2));
        take();
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = publication(&lane, Tick(1));
        assert!(first.poll(Some(&mut cx)).is_pending());
        let second = thread::spawn({
            let lane = Arc::clone(&lane);
            move || assert_eq!(block_on(publish(&lane, Tick(2))), Ok(2))
        });
        assert_eq!(block_on(publish(&other, Tock)), Ok(1));
        drop(block_on(subscription.recv()));
        assert!(first.poll(Some(&mut cx)).is_pending());
        drop(first);
        take();
        second.join().expect("no panic");
        take();
    });
}

struct Tock;

impl Event for Tock {
    const NAME: &'static str = "tock";
}
