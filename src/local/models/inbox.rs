//! One inbox: a promise of room holds, and no reader or publisher is forgotten.

use std::{future::poll_fn, task::Poll};

use loom::{sync::Arc, thread};

use super::{Buffer, Lag, block_on, check};
use crate::local::inbox::Inbox;

/// Puts as a publisher does; it may find the reader gone. `ticket` is the item.
fn put(inbox: &Inbox<u64>, ticket: u64) -> bool {
    block_on(poll_fn(|cx| {
        inbox.leave(ticket);
        while !inbox.reserve() {
            if inbox.wait(ticket, cx.waker()) {
                return Poll::Pending;
            }
        }
        Poll::Ready(inbox.put(ticket, &mut Vec::new()))
    }))
}

fn take(inbox: &Inbox<u64>) -> Option<u64> {
    let next = block_on(poll_fn(|cx| inbox.poll_take(cx)));
    next.map(|next| next.expect("no gap"))
}

#[test]
fn what_two_publishers_put_a_reader_takes() {
    check(3, || {
        let inbox = Arc::new(Inbox::new(Buffer::block(1), None));
        let publishers = [1, 2].map(|item| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || assert!(put(&inbox, item)))
        });
        let mut taken = [take(&inbox), take(&inbox)];
        taken.sort_unstable();
        assert_eq!(taken, [Some(1), Some(2)]);
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
        assert!(inbox.account().is_balanced());
    });
}

#[test]
fn a_reader_that_goes_lets_all_publishers_go() {
    check(3, || {
        let inbox = Arc::new(Inbox::new(Buffer::block(1), None));
        let publishers = [1, 2].map(|item| {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || u64::from(put(&inbox, item)))
        });
        let rest = inbox.quit(false);
        let put: u64 = publishers
            .into_iter()
            .map(|publisher| publisher.join().expect("no panic"))
            .sum();
        assert_eq!(put, rest.items.len() as u64);
        let account = inbox.account();
        assert!(account.is_balanced() && account.abandoned == put);
    });
}

#[test]
fn room_that_is_given_back_goes_to_who_waits() {
    check(3, || {
        let inbox = Arc::new(Inbox::new(Buffer::block(1), None));
        assert!(inbox.reserve());
        let publisher = thread::spawn({
            let inbox = Arc::clone(&inbox);
            move || assert!(inbox.put(1, &mut Vec::new()))
        });
        inbox.unreserve();
        publisher.join().expect("no panic");
        assert_eq!(take(&inbox), Some(1));
    });
}

#[test]
fn the_end_waits_for_what_was_promised() {
    for kept in [true, false] {
        check(3, move || {
            let inbox = Arc::new(Inbox::new(Buffer::block(1), None));
            assert!(inbox.reserve());
            let publisher = thread::spawn({
                let inbox = Arc::clone(&inbox);
                move || {
                    if kept {
                        assert!(inbox.put(1, &mut Vec::new()));
                    } else {
                        inbox.unreserve();
                    }
                }
            });
            let closer = thread::spawn({
                let inbox = Arc::clone(&inbox);
                move || inbox.close()
            });
            assert_eq!(take(&inbox), kept.then_some(1));
            assert_eq!(take(&inbox), None);
            publisher.join().expect("no panic");
            closer.join().expect("no panic");
        });
    }
}

#[test]
fn every_item_is_taken_or_told_as_missing() {
    for lag in [Lag::DropNewest, Lag::DropOldest] {
        check(3, move || {
            let inbox = Arc::new(Inbox::new(Buffer::new(lag, 1), None));
            let publisher = thread::spawn({
                let inbox = Arc::clone(&inbox);
                move || {
                    for item in 0..3 {
                        assert!(inbox.reserve());
                        inbox.put(item, &mut Vec::new());
                    }
                    inbox.close();
                }
            });
            let mut next = 0;
            while let Some(item) = block_on(poll_fn(|cx| inbox.poll_take(cx))) {
                match item {
                    Ok(item) => {
                        assert_eq!(item, next);
                        next += 1;
                    }
                    Err(gap) => {
                        assert_eq!(gap.from, next);
                        next += gap.missed;
                    }
                }
            }
            assert_eq!(next, 3);
            publisher.join().expect("no panic");
        });
    }
}
