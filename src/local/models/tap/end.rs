//! Whatever ends, each outcome is told once, and as it was.

use std::{future::poll_fn, sync::Arc};

use loom::thread;

use super::{Way, block_on, check, confirm_next, outcome, send, sender};
use crate::{
    local::{lane::AnyLane, log::Cell},
    observe::{LocalOnly, Remote},
};

/// How many were confirmed; the others stayed here, and for this reason.
fn confirmed(cells: &[Cell], reason: fn(&LocalOnly) -> bool) -> u64 {
    let confirmed = cells.iter().filter(|cell| match outcome(cell) {
        Remote::Confirmed => true,
        Remote::LocalOnly(why) => {
            assert!(reason(&why), "{why}");
            false
        }
        other => panic!("{other}"),
    });
    confirmed.count() as u64
}

#[test]
fn the_end_comes_after_everything() {
    check(3, || {
        let mut way = Way::new(1, u64::MAX);
        let publisher = sender(&way.lanes[0], 0..2);
        let closer = thread::spawn({
            let lane = Arc::clone(&way.lanes[0]);
            move || lane.close()
        });
        let mut left = 0;
        while let Some(number) = confirm_next(&mut way) {
            assert_eq!(number, left);
            left += 1;
        }
        closer.join().expect("no panic");
        let cells = publisher.join().expect("no panic");
        assert_eq!(cells.len() as u64, left);
        assert_eq!(confirmed(&cells, |_| false), left);
        assert_eq!(way.ledger.counts().confirmed, left);
    });
}

#[test]
fn what_leaves_the_lane_before_it_is_taken_is_refused() {
    check(2, || {
        let mut way = Way::new(1, 1);
        let publisher = thread::spawn({
            let lane = Arc::clone(&way.lanes[0]);
            move || {
                let cells = (0..5).filter_map(|number| send(&lane, number));
                let cells: Vec<_> = cells.collect();
                lane.close();
                cells
            }
        });
        let mut left = Vec::new();
        left.extend(std::iter::from_fn(|| confirm_next(&mut way)));
        let cells = publisher.join().expect("no panic");
        assert_eq!(cells.len(), 5);
        assert!(left.is_sorted() && left.last() == Some(&4), "{left:?}");
        let full = |why: &LocalOnly| matches!(why, LocalOnly::QueueFull);
        let confirmed = confirmed(&cells, full);
        assert_eq!(confirmed, left.len() as u64);
        let counts = way.ledger.counts();
        assert_eq!(
            (counts.confirmed, counts.local_only),
            (confirmed, 5 - confirmed)
        );
    });
}

#[test]
fn who_leaves_refuses_what_it_has_not_taken() {
    check(3, || {
        let mut way = Way::new(1, u64::MAX);
        let publisher = sender(&way.lanes[0], 0..3);
        let next = block_on(poll_fn(|cx| way.merge.poll_next(cx)));
        let (number, cell) = next.expect("not the end");
        assert_eq!(number, 0);
        // Taken before the end, told after it.
        let Way { merge, ledger, .. } = way;
        drop(merge);
        cell.outcomes().tell(cell.at(), Remote::Confirmed);
        drop(cell);
        let cells = publisher.join().expect("no panic");
        let shut_down = |why: &LocalOnly| matches!(why, LocalOnly::ShutDown);
        assert_eq!(confirmed(&cells, shut_down), 1);
        let counts = ledger.counts();
        assert_eq!(counts.confirmed + counts.local_only, cells.len() as u64);
    });
}
