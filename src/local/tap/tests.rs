//! The tap on threads: for miri, which looks for data races and leaks. What loom shows of all orders is in
//! `local/models`.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use super::fixture::{Way, receive, send};
use crate::{
    local::{lane::AnyLane, log::Cell},
    observe::{LocalOnly, Remote},
};

/// Enough for several segments; miri takes its time.
const TICKS: u64 = if cfg!(miri) { 80 } else { 20_000 };

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

fn outcome(cell: &Cell) -> Remote {
    block_on(poll_fn(|cx| cell.outcomes().poll(cell.at(), cx)))
}

/// Confirms what leaves until the end; in this order.
fn confirm_all(way: &mut Way) -> Vec<u64> {
    let next = || block_on(poll_fn(|cx| way.poll_confirm(cx)));
    std::iter::from_fn(next).collect()
}

#[test]
fn two_publish_in_two_lanes_and_both_hear_of_everything() {
    let mut way = Way::new(2, u64::MAX);
    let lanes = way.lanes.clone();
    let left = thread::scope(|scope| {
        let publishers = [0, 1].map(|publisher| {
            let lanes = &lanes;
            scope.spawn(move || {
                for number in 0..TICKS / 2 {
                    let lane = &lanes[usize::from(number % 3 == publisher)];
                    let cell = send(lane, publisher * TICKS + number).expect("open");
                    // Some wait, some look no more, some never do.
                    match number % 4 {
                        0 => assert!(outcome(&cell).is_confirmed()),
                        1 => {
                            let mut cx = Context::from_waker(Waker::noop());
                            if cell.outcomes().poll(cell.at(), &mut cx).is_pending() {
                                drop(cell.outcomes().forget(cell.at()));
                            }
                        }
                        _ => {}
                    }
                }
            })
        });
        let tap = scope.spawn(|| confirm_all(&mut way));
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
        lanes.iter().for_each(AnyLane::close);
        tap.join().expect("no panic")
    });
    for publisher in [0, 1] {
        let its = left.iter().filter(|number| **number / TICKS == publisher);
        assert!(
            its.copied()
                .eq(publisher * TICKS..publisher * TICKS + TICKS / 2)
        );
    }
    assert_eq!(way.ledger.counts().confirmed, TICKS / 2 * 2);
}

#[test]
fn who_is_overrun_and_then_leaves_has_told_each_outcome_once() {
    let mut way = Way::new(1, 2);
    let lane = Arc::clone(&way.lanes[0]);
    let ledger = Arc::clone(&way.ledger);
    let publisher = thread::spawn(move || {
        let publish = |number| {
            if number % 16 == 5 {
                receive(&lane, TICKS);
            }
            send(&lane, number)
        };
        (0..TICKS).filter_map(publish).collect::<Vec<_>>()
    });
    let first = block_on(poll_fn(|cx| way.merge.poll_next(cx)));
    let (_, kept) = first.expect("not the end");
    let mut confirmed = 1;
    for _ in 0..TICKS / 20 {
        if let Poll::Ready(Some(_)) = way.poll_confirm(&mut Context::from_waker(Waker::noop())) {
            confirmed += 1;
        }
    }
    drop(way);
    kept.outcomes().tell(kept.at(), Remote::Confirmed);
    drop(kept);
    let mut counted = 0;
    let cells = publisher.join().expect("no panic");
    for cell in &cells {
        match outcome(cell) {
            Remote::Confirmed => counted += 1,
            Remote::LocalOnly(LocalOnly::QueueFull | LocalOnly::ShutDown) => {}
            other => panic!("{other}"),
        }
    }
    let counts = ledger.counts();
    assert_eq!((counts.confirmed, counted), (confirmed, confirmed));
    assert_eq!(counts.confirmed + counts.local_only, cells.len() as u64);
    drop(cells);
    assert_eq!(Arc::strong_count(&ledger), 1);
}
