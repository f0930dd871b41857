//! What was published before something else leaves before it, whatever lanes the two are of.

use std::sync::Arc;

use loom::{
    sync::{
        Arc as Tracked,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{
    super::{Lag, read_one, subscribe},
    Way, check, confirm_next, send,
};
use crate::local::tap::{Number, Taps};

#[test]
fn stamps_say_what_came_first() {
    check(3, || {
        let taps = Taps::new(3, u64::MAX, &Arc::default());
        let stamps = |lanes: &'static [usize]| {
            let sequencer = Arc::clone(&taps.sequencer);
            thread::spawn(move || {
                let stamps = lanes.iter().map(|lane| {
                    let stamp = sequencer.stamp(Number::of(*lane));
                    (stamp.get(), *lane)
                });
                stamps.collect::<Vec<_>>()
            })
        };
        // One publishes in two lanes, the other in the third.
        let threads = [stamps(&[0, 1, 0]), stamps(&[2, 2])];
        let last = taps.sequencer.stamp(Number::of(1));
        for thread in threads {
            let stamps = thread.join().expect("no panic");
            for two in stamps.windows(2) {
                let ((one, lane), (other, other_lane)) = (two[0], two[1]);
                let same = one == other && lane == other_lane;
                assert!(one < other || same, "{stamps:?}");
            }
            // After all of them.
            let after = taps.sequencer.stamp(Number::of(0));
            assert!(stamps.iter().all(|(stamp, _)| *stamp <= after.get()));
        }
        assert!(last.get() <= taps.sequencer.stamp(Number::of(1)).get());
    });
}

#[test]
fn what_one_publishes_in_two_lanes_leaves_in_its_order() {
    check(3, || {
        let mut way = Way::new(2, u64::MAX);
        let lanes = way.lanes.clone();
        let publisher = thread::spawn(move || {
            for (number, lane) in [0, 1, 0].into_iter().enumerate() {
                assert!(send(&lanes[lane], number as u64).is_some());
            }
        });
        for number in 0..3 {
            assert_eq!(confirm_next(&mut way), Some(number));
        }
        publisher.join().expect("no panic");
    });
}

#[test]
fn what_two_publish_leaves_in_the_order_in_which_they_know_of_each_other() {
    check(2, || {
        let mut way = Way::new(2, u64::MAX);
        let published = Tracked::new(AtomicBool::new(false));
        let first = thread::spawn({
            let (lane, published) = (Arc::clone(&way.lanes[0]), Tracked::clone(&published));
            move || {
                assert!(send(&lane, 0).is_some());
                published.store(true, Ordering::Release);
            }
        });
        let second = thread::spawn({
            let lane = Arc::clone(&way.lanes[1]);
            move || {
                let after = published.load(Ordering::Acquire);
                assert!(send(&lane, 1).is_some());
                after
            }
        });
        let left = [confirm_next(&mut way), confirm_next(&mut way)];
        first.join().expect("no panic");
        if second.join().expect("no panic") {
            assert_eq!(left, [Some(0), Some(1)]);
        } else {
            assert!(left.contains(&Some(0)) && left.contains(&Some(1)));
        }
    });
}

#[test]
fn what_two_publish_in_two_lanes_leaves_in_the_order_of_each() {
    check(2, || {
        let mut way = Way::new(2, u64::MAX);
        let publishers = [[0, 1], [1, 0]].map(|order| {
            let lanes = order.map(|lane| Arc::clone(&way.lanes[lane]));
            thread::spawn(move || {
                for (lane, number) in lanes.iter().zip(0..) {
                    assert!(send(lane, order[0] as u64 * 10 + number).is_some());
                }
            })
        });
        let left = [(); 4].map(|()| confirm_next(&mut way).expect("not the end"));
        for first in [0, 10] {
            let its = left.iter().filter(|number| **number / 10 * 10 == first);
            assert!(its.eq([&first, &(first + 1)]), "{left:?}");
        }
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
    });
}

/// Who reads one event and publishes another because of it, of another type: the cause leaves before the effect.
#[test]
fn an_effect_leaves_after_its_cause() {
    check(2, || {
        let mut way = Way::new(2, u64::MAX);
        let mut subscription = subscribe(&way.lanes[0], Lag::Block, 8);
        let lanes = way.lanes.clone();
        // From here on it has the segment, and reads without a lock.
        assert!(send(&lanes[0], 0).is_some());
        assert_eq!(read_one(&mut subscription), 0);
        assert_eq!(confirm_next(&mut way), Some(0));
        let publisher = thread::spawn({
            let lane = Arc::clone(&lanes[0]);
            move || assert!(send(&lane, 1).is_some())
        });
        let handler = thread::spawn(move || {
            assert_eq!(read_one(&mut subscription), 1);
            assert!(send(&lanes[1], 2).is_some());
            subscription
        });
        for number in 1..3 {
            assert_eq!(confirm_next(&mut way), Some(number));
        }
        publisher.join().expect("no panic");
        handler.join().expect("no panic");
    });
}
