//! From publish to a subscriber that follows the log: order, sleep and wake-up, late subscribers, gaps.

use std::sync::Arc;

use algedonic_transport::Pattern;
use loom::{
    sync::{
        Arc as Tracked,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    Buffer, Lag, Tick, block_on, check, lane, lane_with, publish, read_all, read_one, subscribe,
};
use crate::local::{lane::AnyLane, patterns::Patterns};

#[test]
fn the_order_of_each_publisher_is_kept() {
    check(2, || {
        let lane = lane::<Tick>();
        let mut subscription = subscribe(&lane, Lag::Block, 8);
        let publisher = |first: u64| {
            let lane = Arc::clone(&lane);
            thread::spawn(move || {
                for number in [first, first + 1] {
                    assert_eq!(block_on(publish(&lane, Tick(number))), Ok(1));
                }
            })
        };
        let publishers = [publisher(0), publisher(10)];
        let read: Vec<_> = (0..4).map(|_| read_one(&mut subscription)).collect();
        for first in [0, 10] {
            let its = read.iter().filter(|number| **number / 10 * 10 == first);
            assert!(its.eq([&first, &(first + 1)]), "{read:?}");
        }
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
    });
}

#[test]
fn who_goes_to_sleep_while_another_publishes_is_woken() {
    check(3, || {
        let lane = lane::<Tick>();
        let mut subscription = subscribe(&lane, Lag::Block, 8);
        let publisher = thread::spawn({
            let lane = Arc::clone(&lane);
            move || {
                for number in 0..3 {
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

#[test]
fn all_who_sleep_are_woken() {
    check(2, || {
        let lane = lane::<Tick>();
        let reader = || {
            let mut subscription = subscribe(&lane, Lag::Block, 8);
            thread::spawn(move || {
                assert_eq!(read_one(&mut subscription), 0);
                assert_eq!(read_one(&mut subscription), 1);
                subscription
            })
        };
        let readers = [reader(), reader()];
        for number in 0..2 {
            assert_eq!(block_on(publish(&lane, Tick(number))), Ok(2));
        }
        for reader in readers {
            reader.join().expect("no panic");
        }
    });
}

#[test]
fn what_is_published_after_a_subscription_reaches_it() {
    check(3, || {
        let lane = lane::<Tick>();
        let there = Tracked::new(AtomicBool::new(false));
        let subscriber = thread::spawn({
            let (lane, there) = (Arc::clone(&lane), Tracked::clone(&there));
            move || {
                let subscription = subscribe(&lane, Lag::Block, 8);
                there.store(true, Ordering::Release);
                subscription
            }
        });
        let mut reached = Vec::new();
        for number in 0..2 {
            let before = there.load(Ordering::Acquire);
            let subscribers = block_on(publish(&lane, Tick(number))).expect("open");
            assert!(subscribers == 1 || !before, "missed the subscriber");
            if subscribers == 1 {
                reached.push(number);
            }
        }
        let mut subscription = subscriber.join().expect("no panic");
        lane.close();
        // Those that it was counted for, and no others.
        assert_eq!(read_all(&mut subscription), reached);
    });
}

#[test]
fn who_lags_is_told_what_it_missed() {
    check(3, || {
        let lane = lane::<Tick>();
        let mut subscription = subscribe(&lane, Lag::DropOldest, 1);
        let publisher = thread::spawn({
            let lane = Arc::clone(&lane);
            move || {
                for number in 0..4 {
                    assert_eq!(block_on(publish(&lane, Tick(number))), Ok(1));
                }
                lane.close();
            }
        });
        let mut next = 0;
        while let Some(item) = block_on(subscription.recv_ref()) {
            match item {
                Ok(tick) => {
                    assert_eq!(tick.0, next);
                    next += 1;
                }
                Err(gap) => {
                    assert_eq!(gap.from, next);
                    next += gap.missed;
                }
            }
        }
        assert_eq!(next, 4);
        publisher.join().expect("no panic");
    });
}

#[test]
fn what_is_published_after_a_pattern_subscribed_reaches_it() {
    check(3, || {
        let patterns = Arc::new(Patterns::new());
        let lane = lane_with::<Tick>(&patterns);
        let there = Tracked::new(AtomicBool::new(false));
        let subscriber = thread::spawn({
            let (patterns, there) = (Arc::clone(&patterns), Tracked::clone(&there));
            move || {
                let all = Pattern::new("#").expect("a pattern");
                let inbox = patterns.subscribe(&all, Buffer::block(8));
                there.store(true, Ordering::Release);
                inbox
            }
        });
        let mut reached = Vec::new();
        for number in 0..2 {
            let before = there.load(Ordering::Acquire);
            let subscribers = block_on(publish(&lane, Tick(number))).expect("open");
            assert!(subscribers == 1 || !before, "missed the subscriber");
            if subscribers == 1 {
                reached.push(number);
            }
        }
        let inbox = subscriber.join().expect("no panic");
        assert_eq!(inbox.unread(), reached.len() as u64);
        let other = thread::spawn({
            let lane = Arc::clone(&lane);
            move || block_on(publish(&lane, Tick(2)))
        });
        drop(inbox);
        assert!(other.join().expect("no panic").is_ok());
        assert_eq!(block_on(publish(&lane, Tick(3))), Ok(0));
    });
}
