use std::{sync::Arc, task::Waker};

use proptest::prelude::*;

use super::model::{Got, Model};
use crate::resilience::{
    bulkhead::core::{Core, Place, Served, Taken},
    probe::{Bell, CASES},
};

/// What can happen to a bulkhead.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody comes.
    Take,
    /// One of those who have a slot gives it back.
    GiveBack(usize),
    /// One of those who came to wait looks whether it is its turn; with another waker than before, or not.
    Follow(usize, bool),
    /// One of those goes away.
    Leave(usize),
    Resize(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Take),
        4 => any::<usize>().prop_map(Step::GiveBack),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(who, other)| Step::Follow(who, other)),
        3 => any::<usize>().prop_map(Step::Leave),
        1 => (1_u32..6).prop_map(Step::Resize),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..100)
}

/// Somebody who came to wait, and has not learned yet that it was served.
struct Waiting {
    id: u64,
    place: Place,
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether it has left its waker.
    asleep: bool,
}

/// The core and the model go through the same.
struct Pair {
    core: Core,
    model: Model,
    places: u32,
    made: u64,
    holding: Vec<u64>,
    waiting: Vec<Waiting>,
    most_waiting: usize,
}

impl Pair {
    fn new(slots: u32, places: u32) -> Self {
        Self {
            core: Core::new(slots, places),
            model: Model::new(slots, places),
            places,
            made: 0,
            holding: Vec::new(),
            waiting: Vec::new(),
            most_waiting: 0,
        }
    }

    fn take(&mut self) {
        self.made += 1;
        let id = self.made;
        let expected = self.model.take(id);
        match self.core.take() {
            Taken::Full => assert_eq!(expected, Got::Full),
            Taken::Place(place) => {
                assert_eq!(expected, Got::Place);
                let (bell, waker) = Bell::new();
                self.waiting.push(Waiting {
                    id,
                    place,
                    bell,
                    waker,
                    asleep: false,
                });
            }
            Taken::Slot(running) => {
                assert_eq!(expected, Got::Slot);
                assert_eq!(running, self.model.running.len() as u64);
                self.holding.push(id);
            }
        }
        self.most_waiting = self.most_waiting.max(self.waiting.len());
    }

    /// Exactly who the model says was given a slot, and was woken if it was asleep.
    fn served(&mut self, served: Served, expected: Option<u64>) {
        let asleep = expected.and_then(|id| {
            let waiting = self.waiting.iter().find(|waiting| waiting.id == id);
            let waiting = waiting.expect("it waits");
            waiting.asleep.then(|| Arc::clone(&waiting.bell))
        });
        match (served, asleep) {
            (Served::Nobody, None) => assert_eq!(expected, None),
            (Served::Awake, None) => assert_ne!(expected, None),
            (Served::Asleep(waker), Some(bell)) => {
                let before = bell.rings();
                waker.wake();
                assert_eq!(bell.rings(), before + 1, "who is first is woken");
            }
            (served, asleep) => panic!("{served:?}, and {asleep:?}"),
        }
    }

    fn give_back(&mut self, id: u64) {
        let expected = self.model.over(id);
        let served = self.core.give_back();
        self.served(served, expected);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take => self.take(),
            Step::GiveBack(who) if !self.holding.is_empty() => {
                let id = self.holding.remove(who % self.holding.len());
                self.give_back(id);
            }
            Step::Follow(who, other) if !self.waiting.is_empty() => {
                let mut waiting = self.waiting.remove(who % self.waiting.len());
                if other {
                    (waiting.bell, waiting.waker) = Bell::new();
                }
                let is_served = self.model.running.contains(&waiting.id);
                assert_eq!(self.core.follow(&waiting.place, &waiting.waker), is_served);
                if is_served {
                    self.holding.push(waiting.id);
                } else {
                    waiting.asleep = true;
                    self.waiting.push(waiting);
                }
            }
            Step::Leave(who) if !self.waiting.is_empty() => {
                let waiting = self.waiting.remove(who % self.waiting.len());
                let is_served = self.model.running.contains(&waiting.id);
                assert_eq!(self.core.leave(waiting.place), is_served);
                if is_served {
                    self.give_back(waiting.id);
                } else {
                    self.model.over(waiting.id);
                }
            }
            Step::Resize(limit) => {
                self.core.resize(limit);
                for id in self.model.resize(limit) {
                    let served = self.core.serve();
                    self.served(served, Some(id));
                }
                let served = self.core.serve();
                self.served(served, None);
            }
            Step::GiveBack(_) | Step::Follow(..) | Step::Leave(_) => {}
        }
        let snapshot = self.core.snapshot();
        assert_eq!(snapshot.running, self.model.running.len() as u64);
        assert_eq!(snapshot.waiting, self.model.waiting.len() as u64);
        assert_eq!(snapshot.limit, self.model.limit as u64);
        let full = snapshot.running >= snapshot.limit || snapshot.waiting > 0;
        assert_eq!(self.core.is_full(), full);
    }

    /// Everybody goes, in any order.
    fn empty(&mut self, mut order: usize) {
        while self.holding.len() + self.waiting.len() > 0 {
            order = order.wrapping_mul(31).wrapping_add(7);
            self.step(if order.is_multiple_of(2) {
                Step::GiveBack(order / 2)
            } else {
                Step::Leave(order / 2)
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn bh_1_never_more_running_and_waiting_than_there_is_room(
        slots in 1_u32..6, places in 0_u32..6, steps in steps(),
    ) {
        let mut pair = Pair::new(slots, places);
        let (mut most, mut running) = (u64::from(slots), 0);
        for step in steps {
            pair.step(step);
            let snapshot = pair.core.snapshot();
            // More than the limit run only because they did so before it was lowered.
            most = snapshot.limit.max(most.min(running));
            prop_assert!(snapshot.running <= most, "{:?}", snapshot);
            prop_assert!(snapshot.waiting <= u64::from(places));
            running = snapshot.running;
        }
    }

    #[test]
    fn bh_2_nothing_is_left_when_everybody_is_gone(
        slots in 1_u32..6, places in 0_u32..6, steps in steps(), order: usize,
    ) {
        let mut pair = Pair::new(slots, places);
        for step in steps {
            pair.step(step);
        }
        pair.empty(order);
        let snapshot = pair.core.snapshot();
        prop_assert_eq!((snapshot.running, snapshot.waiting), (0, 0));
        // As if it were new: it has the slots and the places that it should, and no more.
        let limit = u32::try_from(snapshot.limit).expect("small");
        let all = limit + pair.places;
        for _ in 0..all {
            prop_assert_ne!(pair.core.take(), Taken::Full);
        }
        prop_assert_eq!(pair.core.take(), Taken::Full);
        // The queue has no more places in memory than were ever needed.
        prop_assert!(pair.core.queue_size() <= pair.most_waiting.max(pair.places as usize));
    }

    #[test]
    fn bh_3_work_conserving_and_fifo(slots in 1_u32..6, places in 1_u32..6, steps in steps()) {
        let mut pair = Pair::new(slots, places);
        for step in steps {
            // That they are served in their order, the pair says.
            pair.step(step);
            let snapshot = pair.core.snapshot();
            prop_assert!(snapshot.waiting == 0 || snapshot.running >= snapshot.limit, "{:?}", snapshot);
        }
    }

    /// The one who is served leaves at the same moment, before it knows.
    #[test]
    fn bh_4_who_leaves_never_has_the_slot_and_the_next_has(
        waiting in 1_usize..6, leavers in prop::collection::vec(any::<bool>(), 6), asleep: bool,
    ) {
        let mut pair = Pair::new(1, 6);
        for _ in 0..=waiting {
            pair.step(Step::Take);
        }
        if asleep {
            for _ in 0..waiting {
                pair.step(Step::Follow(0, false));
            }
        }
        pair.step(Step::GiveBack(0));
        for leaves in leavers.into_iter().take(waiting) {
            // Always the first: it has the slot.
            prop_assert_eq!(pair.model.running.clone(), vec![pair.waiting[0].id]);
            if leaves {
                pair.step(Step::Leave(0));
            } else {
                pair.step(Step::Follow(0, false));
                pair.step(Step::GiveBack(0));
            }
        }
        prop_assert_eq!(pair.core.snapshot().running, 0);
    }

    #[test]
    fn bh_8_a_lower_limit_holds_as_soon_as_so_few_run(
        slots in 2_u32..8, places in 0_u32..4, lower in 1_u32..8, steps in steps(),
    ) {
        let mut pair = Pair::new(slots, places);
        for _ in 0..slots {
            pair.step(Step::Take);
        }
        pair.step(Step::Resize(lower));
        prop_assert_eq!(pair.core.snapshot().running, u64::from(slots), "what runs goes on");
        let mut reached = slots <= lower;
        for step in steps {
            if matches!(step, Step::Resize(_)) {
                continue;
            }
            let before = pair.core.snapshot().running;
            pair.step(step);
            let running = pair.core.snapshot().running;
            prop_assert!(reached || running <= before, "nobody is admitted until then");
            reached |= running <= u64::from(lower);
            prop_assert!(!reached || running <= u64::from(lower));
        }
    }
}
