//! A bulkhead that several threads use at once.

use std::task::{Wake, Waker};

use loom::{
    sync::{Arc, Notify},
    thread,
};

use crate::{
    models::check,
    resilience::{
        bulkhead::core::{Core, Place, Served, Taken},
        sync::wake,
    },
};

fn core(slots: u32, places: u32) -> Arc<Core> {
    Arc::new(Core::new(slots, places))
}

fn slot(core: &Core) {
    assert!(matches!(core.take(), Taken::Slot(_)), "a slot is free");
}

fn place(core: &Core) -> Place {
    match core.take() {
        Taken::Place(place) => place,
        taken => panic!("no slot is free: {taken:?}"),
    }
}

fn give_back(core: &Core) {
    if let Served::Asleep(waker) = core.give_back() {
        wake(waker);
    }
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.notify();
    }
}

/// Waits until it has the slot.
#[expect(clippy::needless_pass_by_value, reason = "it becomes a slot")]
fn wait(core: &Core, place: Place) {
    let bell = std::sync::Arc::new(Bell(Notify::new()));
    let waker = Waker::from(std::sync::Arc::clone(&bell));
    while !core.follow(&place, &waker) {
        bell.0.wait();
    }
}

/// Leaves the queue; what it was given is handed on.
fn leave(core: &Core, place: Place) {
    if core.leave(place) {
        give_back(core);
    }
}

fn assert_empty(core: &Core) {
    let snapshot = core.snapshot();
    assert_eq!((snapshot.running, snapshot.waiting), (0, 0));
}

/// L-4. One gives its slot back, the first who waits goes away, the second waits: it is served, or waits for ever.
#[test]
fn a_slot_reaches_who_waits_past_one_who_leaves() {
    check(2, || {
        let core = core(1, 2);
        slot(&core);
        let (first, second) = (place(&core), place(&core));
        let leaver = {
            let core = Arc::clone(&core);
            thread::spawn(move || leave(&core, first))
        };
        let waiter = {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                wait(&core, second);
                assert_eq!(core.snapshot().running, 1);
                give_back(&core);
            })
        };
        give_back(&core);
        leaver.join().expect("no panic");
        waiter.join().expect("no panic");
        assert_empty(&core);
    });
}

/// L-4. Two slots come back at once, for two who wait.
#[test]
fn two_slots_serve_two_who_wait() {
    check(2, || {
        let core = core(2, 2);
        slot(&core);
        slot(&core);
        let (first, second) = (place(&core), place(&core));
        let giver = {
            let core = Arc::clone(&core);
            thread::spawn(move || give_back(&core))
        };
        let waiter = {
            let core = Arc::clone(&core);
            thread::spawn(move || wait(&core, second))
        };
        give_back(&core);
        wait(&core, first);
        giver.join().expect("no panic");
        waiter.join().expect("no panic");
        let snapshot = core.snapshot();
        assert_eq!((snapshot.running, snapshot.waiting), (2, 0));
        give_back(&core);
        give_back(&core);
        assert_empty(&core);
    });
}

/// Who comes while the slot is given back has it, or has a place and is served: nobody waits beside a free slot.
#[test]
fn who_comes_when_a_slot_is_given_back_has_it_or_waits_for_it() {
    check(3, || {
        let core = core(1, 2);
        slot(&core);
        let comers = [(); 2].map(|()| {
            let core = Arc::clone(&core);
            thread::spawn(move || {
                match core.take() {
                    Taken::Slot(running) => assert_eq!(running, 1),
                    Taken::Place(place) => wait(&core, place),
                    Taken::Full => panic!("there are two places"),
                }
                assert_eq!(core.snapshot().running, 1);
                give_back(&core);
            })
        });
        give_back(&core);
        for comer in comers {
            comer.join().expect("no panic");
        }
        assert_empty(&core);
    });
}

/// One slot, one place, three who come: two get something, and never two a slot.
#[test]
fn no_more_than_there_is_room_get_in() {
    check(2, || {
        let core = core(1, 1);
        let come = |core: &Core| core.take();
        let others = [(); 2].map(|()| {
            let core = Arc::clone(&core);
            thread::spawn(move || come(&core))
        });
        let mut taken = vec![come(&core)];
        for other in others {
            taken.push(other.join().expect("no panic"));
        }
        let count = |is: fn(&Taken) -> bool| taken.iter().filter(|taken| is(taken)).count();
        assert_eq!(count(|taken| matches!(taken, Taken::Slot(_))), 1);
        assert_eq!(count(|taken| matches!(taken, Taken::Place(_))), 1);
        assert_eq!(count(|taken| matches!(taken, Taken::Full)), 1);
    });
}

/// A lower limit, while one gives back and another comes: nobody is admitted above it afterwards.
#[test]
fn a_lower_limit_is_not_passed_by_who_came_before_it() {
    check(3, || {
        let core = core(2, 0);
        slot(&core);
        let comer = {
            let core = Arc::clone(&core);
            thread::spawn(move || matches!(core.take(), Taken::Slot(_)))
        };
        let giver = {
            let core = Arc::clone(&core);
            thread::spawn(move || give_back(&core))
        };
        core.resize(1);
        let again = core.take() != Taken::Full;
        let came = comer.join().expect("no panic");
        giver.join().expect("no panic");
        // Together they would be two, of whom one came after the limit was lowered.
        assert!(!(came && again));
        let running = u64::from(came) + u64::from(again);
        assert_eq!(core.snapshot().running, running);
        assert_eq!(core.take() != Taken::Full, running == 0);
    });
}

/// A higher limit while one comes: it is served by whoever sees the other.
#[test]
fn a_higher_limit_serves_who_waits() {
    check(3, || {
        let core = core(1, 1);
        slot(&core);
        let comer = {
            let core = Arc::clone(&core);
            thread::spawn(move || match core.take() {
                Taken::Slot(_) => {}
                Taken::Place(place) => wait(&core, place),
                Taken::Full => panic!("there is a place"),
            })
        };
        core.resize(2);
        while let Served::Asleep(waker) = core.serve() {
            waker.wake();
        }
        comer.join().expect("no panic");
        assert_eq!(core.snapshot().running, 2);
    });
}

/// A waker that is left while the slot comes.
#[test]
fn another_waker_is_the_one_that_is_woken() {
    check(3, || {
        let core = core(1, 1);
        slot(&core);
        let place = place(&core);
        let giver = {
            let core = Arc::clone(&core);
            thread::spawn(move || give_back(&core))
        };
        if !core.follow(&place, Waker::noop()) {
            wait(&core, place);
        }
        giver.join().expect("no panic");
        assert_eq!(core.snapshot().running, 1);
    });
}
