//! The end of a lane, while others publish, wait and sleep.

use std::sync::Arc;

use algedonic_transport::Pattern;
use loom::thread;

use super::{
    Buffer, Lag, Refused, Tick, block_on, check, lane, lane_with, publish, read_all, subscribe,
};
use crate::local::{
    lane::{AnyLane, Lane},
    patterns::Patterns,
};

/// The numbers that somebody got, up to the end.
fn publish_all(lane: &Lane<Tick>) -> Vec<u64> {
    let mut published = Vec::new();
    for number in 0..2 {
        match block_on(publish(lane, Tick(number))) {
            Ok(1) => published.push(number),
            Ok(subscribers) => panic!("{subscribers} subscribers"),
            Err(refused) => assert_eq!(refused, Refused::Closed),
        }
    }
    published
}

/// Each subscriber gets all that was published, then the end.
fn ends(lag: Lag) {
    check(3, move || {
        let lane = lane();
        let mut subscription = subscribe(&lane, lag, 2);
        let publisher = thread::spawn({
            let lane = Arc::clone(&lane);
            move || publish_all(&lane)
        });
        let closer = thread::spawn({
            let lane = Arc::clone(&lane);
            move || lane.close()
        });
        let read = read_all(&mut subscription);
        assert_eq!(read, publisher.join().expect("no panic"));
        closer.join().expect("no panic");
    });
}

#[test]
fn the_end_comes_after_everything_in_the_log() {
    ends(Lag::Block);
}

#[test]
fn the_end_comes_after_everything_in_an_inbox() {
    ends(Lag::Error);
}

#[test]
fn the_end_comes_after_everything_in_an_inbox_that_may_drop() {
    ends(Lag::DropNewest);
}

#[test]
fn the_end_comes_after_everything_of_a_pattern() {
    for lag in [Lag::Block, Lag::DropOldest] {
        check(3, move || {
            let patterns = Arc::new(Patterns::new());
            let lane = lane_with(&patterns);
            let all = Pattern::new("#").expect("a pattern");
            let inbox = patterns.subscribe(&all, Buffer::new(lag, 2));
            let publisher = thread::spawn({
                let lane = Arc::clone(&lane);
                move || publish_all(&lane)
            });
            let closer = thread::spawn({
                let (lane, patterns) = (Arc::clone(&lane), Arc::clone(&patterns));
                move || {
                    lane.close();
                    patterns.close();
                }
            });
            let mut read = Vec::new();
            while let Some(next) = block_on(std::future::poll_fn(|cx| inbox.poll_take(cx))) {
                let tick = next.expect("no gap").downcast::<Tick>();
                read.push(tick.expect("a tick").0);
            }
            assert_eq!(read, publisher.join().expect("no panic"));
            closer.join().expect("no panic");
        });
    }
}

#[test]
fn who_waits_for_room_learns_of_the_end() {
    for lag in [Lag::Block, Lag::Error] {
        check(3, move || {
            let lane = lane();
            let mut subscription = subscribe(&lane, lag, 1);
            assert_eq!(block_on(publish(&lane, Tick(0))), Ok(1));
            let publisher = thread::spawn({
                let lane = Arc::clone(&lane);
                move || block_on(publish(&lane, Tick(1)))
            });
            lane.close();
            assert_eq!(publisher.join().expect("no panic"), Err(Refused::Closed));
            assert_eq!(read_all(&mut subscription), [0]);
        });
    }
}

#[test]
fn who_gives_its_room_back_at_the_end_lets_the_reader_see_it() {
    check(3, || {
        let lane = lane();
        let mut log = subscribe(&lane, Lag::Block, 1);
        let mut inbox = subscribe(&lane, Lag::Error, 2);
        assert_eq!(block_on(publish(&lane, Tick(0))), Ok(2));
        let publisher = thread::spawn({
            let lane = Arc::clone(&lane);
            move || block_on(publish(&lane, Tick(1)))
        });
        let reader = thread::spawn(move || {
            assert_eq!(read_all(&mut inbox), [0]);
            inbox
        });
        lane.close();
        assert_eq!(publisher.join().expect("no panic"), Err(Refused::Closed));
        reader.join().expect("no panic");
        assert_eq!(read_all(&mut log), [0]);
    });
}
