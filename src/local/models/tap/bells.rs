//! No wake-up of the tap is lost: who goes to sleep while others publish, and who has his hands full.

use std::{future::poll_fn, sync::Arc};

use loom::thread;
use tokio::time::Instant;

use super::{Way, block_on, check, confirm_next, outcome, receive, send, sender};

#[test]
fn who_goes_to_sleep_while_another_publishes_is_woken() {
    check(3, || {
        let mut way = Way::new(1, u64::MAX);
        let publisher = sender(&way.lanes[0], 0..3);
        for number in 0..3 {
            assert_eq!(confirm_next(&mut way), Some(number));
        }
        assert_eq!(publisher.join().expect("no panic").len(), 3);
    });
}

#[test]
fn every_lane_wakes_it() {
    check(2, || {
        let mut way = Way::new(2, u64::MAX);
        let publishers = [0, 1].map(|lane| sender(&way.lanes[lane], lane as u64..lane as u64 + 1));
        let mut left = [confirm_next(&mut way), confirm_next(&mut way)];
        left.sort_unstable();
        assert_eq!(left, [Some(0), Some(1)]);
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
    });
}

#[test]
fn what_comes_from_elsewhere_takes_it_past_nothing_else() {
    check(3, || {
        let mut way = Way::new(1, u64::MAX);
        let lane = Arc::clone(&way.lanes[0]);
        let elsewhere = thread::spawn(move || (10..12).for_each(|number| receive(&lane, number)));
        let publisher = sender(&way.lanes[0], 0..1);
        assert_eq!(confirm_next(&mut way), Some(0));
        elsewhere.join().expect("no panic");
        publisher.join().expect("no panic");
    });
}

/// It takes nothing yet, but must take out what made the bell ring: what comes after would push it out of the lane.
#[test]
fn who_has_its_hands_full_hears_that_a_lane_comes_to_be_full() {
    check(3, || {
        let mut way = Way::new(1, 2);
        receive(&way.lanes[0], 10);
        let publisher = sender(&way.lanes[0], 0..2);
        block_on(poll_fn(|cx| way.merge.poll_rung(cx)));
        way.merge.look(Instant::now());
        let cells = publisher.join().expect("no panic");
        assert!((2..7).all(|number| send(&way.lanes[0], number).is_some()));
        for (number, cell) in cells.iter().enumerate() {
            assert_eq!(confirm_next(&mut way), Some(number as u64));
            assert!(outcome(cell).is_confirmed());
        }
    });
}

/// As it is while it looks from time to time: whoever finds the bell rung finds what made it ring.
#[test]
fn who_looks_by_itself_takes_out_what_made_the_bell_ring() {
    check(5, || {
        let mut way = Way::new(1, 2);
        receive(&way.lanes[0], 10);
        let publisher = sender(&way.lanes[0], 0..2);
        way.merge.look(Instant::now());
        assert_eq!(publisher.join().expect("no panic").len(), 2);
        // If the first look has not found it.
        way.merge.look(Instant::now());
        assert!((2..7).all(|number| send(&way.lanes[0], number).is_some()));
        assert_eq!(confirm_next(&mut way), Some(0));
        assert_eq!(confirm_next(&mut way), Some(1));
    });
}

/// It looks by itself from time to time, in these models never again: nobody rings, and who awaits an outcome calls it.
#[test]
fn who_looks_by_itself_is_called_by_who_awaits() {
    check(3, || {
        let mut way = Way::new(1, u64::MAX);
        way.merge.set_lingering(true);
        let lane = Arc::clone(&way.lanes[0]);
        let publisher = thread::spawn(move || {
            for number in 0..2 {
                let cell = send(&lane, number).expect("open");
                assert!(outcome(&cell).is_confirmed());
            }
        });
        for number in 0..2 {
            assert_eq!(confirm_next(&mut way), Some(number));
        }
        publisher.join().expect("no panic");
    });
}
