//! An outcome is told once, and whoever waits for it gets it, whatever else happens to others beside it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::{
    sync::{
        Arc as Tracked,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{block_on, check};
use crate::{
    local::tap::{Outcomes, Refusal},
    observe::{Ledger, LocalOnly, Remote},
};

fn outcomes() -> (Tracked<Outcomes>, Arc<Ledger>) {
    let ledger = Arc::default();
    (Tracked::new(Outcomes::new(&ledger, None)), ledger)
}

fn wait(outcomes: &Outcomes, at: usize) -> Remote {
    block_on(poll_fn(|cx| outcomes.poll(at, cx)))
}

/// An outcome that says more than its name.
fn reason(outcome: &Remote) -> &str {
    match outcome {
        Remote::Unknown { reason } => reason,
        other => panic!("{other}"),
    }
}

#[test]
fn who_waits_is_told() {
    check(3, || {
        let (outcomes, ledger) = outcomes();
        assert!(outcomes.take(0) && outcomes.take(1));
        let counted = Tracked::new(AtomicBool::new(false));
        let teller = thread::spawn({
            let (outcomes, counted) = (Tracked::clone(&outcomes), Tracked::clone(&counted));
            move || {
                counted.store(true, Ordering::Relaxed);
                outcomes.tell(0, Remote::unknown("zero"));
                outcomes.tell(1, Remote::Confirmed);
            }
        });
        let other = thread::spawn({
            let (outcomes, counted) = (Tracked::clone(&outcomes), Tracked::clone(&counted));
            move || {
                assert!(wait(&outcomes, 1).is_confirmed());
                assert!(counted.load(Ordering::Relaxed), "what came before is seen");
            }
        });
        assert_eq!(reason(&wait(&outcomes, 0)), "zero");
        assert!(counted.load(Ordering::Relaxed), "what came before is seen");
        teller.join().expect("no panic");
        other.join().expect("no panic");
        let counts = ledger.counts();
        assert_eq!((counts.confirmed, counts.unknown), (1, 1));
    });
}

#[test]
fn each_is_given_its_own() {
    check(3, || {
        let (outcomes, _) = outcomes();
        assert!(outcomes.take(0) && outcomes.take(1));
        let tellers = ["zero", "one"].map(|reason| {
            let outcomes = Tracked::clone(&outcomes);
            thread::spawn(move || {
                outcomes.tell(usize::from(reason == "one"), Remote::unknown(reason))
            })
        });
        assert_eq!(reason(&wait(&outcomes, 1)), "one");
        assert_eq!(reason(&wait(&outcomes, 0)), "zero");
        for teller in tellers {
            teller.join().expect("no panic");
        }
    });
}

#[test]
fn who_takes_and_who_refuses_do_not_both_tell() {
    check(3, || {
        let (outcomes, ledger) = outcomes();
        let feed = thread::spawn({
            let outcomes = Tracked::clone(&outcomes);
            move || {
                let taken = outcomes.take(0);
                if taken {
                    outcomes.tell(0, Remote::Confirmed);
                }
                taken
            }
        });
        // One that is overrun, and one that ends.
        let publisher = thread::spawn({
            let outcomes = Tracked::clone(&outcomes);
            move || outcomes.refuse(1, Refusal::QueueFull)
        });
        let told = wait(&outcomes, 0);
        let taken = feed.join().expect("no panic");
        publisher.join().expect("no panic");
        outcomes.refuse(1, Refusal::ShutDown);
        match told {
            Remote::Confirmed => assert!(taken),
            Remote::LocalOnly(LocalOnly::QueueFull) => assert!(!taken),
            other => panic!("{other}"),
        }
        let counts = ledger.counts();
        let expected = (u64::from(taken), u64::from(!taken));
        assert_eq!((counts.confirmed, counts.local_only), expected);
    });
}

#[test]
fn of_two_who_refuse_one_tells() {
    check(3, || {
        let (outcomes, ledger) = outcomes();
        let refusers = [Refusal::QueueFull, Refusal::ShutDown].map(|why| {
            let outcomes = Tracked::clone(&outcomes);
            thread::spawn(move || outcomes.refuse(1, why))
        });
        let first = wait(&outcomes, 0);
        for refuser in refusers {
            refuser.join().expect("no panic");
        }
        assert_eq!(ledger.counts().local_only, 1);
        assert_eq!(first.to_string(), wait(&outcomes, 0).to_string());
    });
}

/// Counts nothing, wakes nobody; whoever has it yet shows in the count of its owners.
struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn who_waits_no_more_leaves_nothing() {
    check(5, || {
        let (outcomes, ledger) = outcomes();
        assert!(outcomes.take(0));
        let idle = Arc::new(Idle);
        let teller = thread::spawn({
            let outcomes = Tracked::clone(&outcomes);
            move || outcomes.tell(0, Remote::Confirmed)
        });
        let waker = Waker::from(Arc::clone(&idle));
        let polled = outcomes.poll(0, &mut Context::from_waker(&waker));
        drop(waker);
        if polled.is_pending() {
            drop(outcomes.forget(0));
        }
        teller.join().expect("no panic");
        assert_eq!(Arc::strong_count(&idle), 1);
        assert_eq!(ledger.counts().confirmed, 1);
    });
}

#[test]
fn who_waits_elsewhere_by_now_is_woken_there() {
    check(5, || {
        let (outcomes, _) = outcomes();
        assert!(outcomes.take(0));
        let idle = Arc::new(Idle);
        let teller = thread::spawn({
            let outcomes = Tracked::clone(&outcomes);
            move || outcomes.tell(0, Remote::Confirmed)
        });
        let waker = Waker::from(Arc::clone(&idle));
        let polled = outcomes.poll(0, &mut Context::from_waker(&waker));
        drop(waker);
        let told = match polled {
            Poll::Ready(told) => told,
            Poll::Pending => wait(&outcomes, 0),
        };
        assert!(told.is_confirmed());
        teller.join().expect("no panic");
        assert_eq!(Arc::strong_count(&idle), 1);
    });
}
