use std::collections::BTreeMap;

use algedonic_transport::{ErrorKind, Lane};
use proptest::prelude::*;

use super::{
    BOUNDS, all, balances,
    dice::Dice,
    disk::{Fault, Memory},
    message,
    model::{Kept, Model},
    number_of,
};
use crate::spool::file::{
    LossCause, Notice,
    encoding::{Draft, millis, moment},
    store::Store,
};

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// Several appends that share a write.
    Append(Vec<New>),
    /// Several signals, and nothing else with them.
    Signals(Vec<New>),
    /// One that is there, by its place.
    Remove(usize),
    Flush,
    Reopen,
    Crash(u64),
    Fail(Fault),
    Wait(u64),
}

/// What a commit is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Together,
    Signals,
    Flush,
}

#[derive(Clone, Debug)]
struct New {
    lane: Lane,
    priority: u8,
    length: usize,
    lives: Option<u64>,
}

fn news() -> impl Strategy<Value = New> {
    let lane = prop_oneof![Just(Lane::Event), Just(Lane::Signal), Just(Lane::Command)];
    let priority = prop_oneof![Just(2_u8), Just(5), Just(8), Just(10), 0..=10_u8];
    let length = prop_oneof![8 => 0..600_usize, 1 => 3_000..5_000_usize];
    let lives = prop::option::weighted(0.2, 1..5_000_u64);
    (lane, priority, length, lives).prop_map(|(lane, priority, length, lives)| New {
        lane,
        priority,
        length,
        lives,
    })
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        (0..12_u64).prop_map(Fault::FullAfter),
        (1..30_u64).prop_map(Fault::BrokenAfter),
        Just(Fault::SyncFails),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => prop::collection::vec(news(), 1..5).prop_map(Step::Append),
        3 => prop::collection::vec(news(), 1..4).prop_map(Step::Signals),
        5 => any::<usize>().prop_map(Step::Remove),
        1 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        2 => any::<u64>().prop_map(Step::Crash),
        2 => faults().prop_map(Step::Fail),
        1 => (1..4_000_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

/// A store, its disk, and what it should hold.
struct Pair {
    memory: Memory,
    store: Store,
    model: Model,
    now: u64,
    last: u64,
    /// By its number, all that ever was tried.
    tried: BTreeMap<u64, Kept>,
    /// By its number, the place of each that was ever promised.
    places: BTreeMap<u64, u64>,
}

impl Pair {
    fn new() -> Self {
        let memory = Memory::default();
        Self {
            store: Store::open(memory.clone(), BOUNDS).expect("opens"),
            memory,
            model: Model::default(),
            now: 1_000_000,
            last: 0,
            tried: BTreeMap::new(),
            places: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append(news) => self.append(&news, Turn::Together),
            Step::Signals(mut news) => {
                for new in &mut news {
                    new.lane = Lane::Signal;
                }
                self.append(&news, Turn::Signals);
            }
            Step::Remove(place) => self.remove(place),
            Step::Flush => self.commit(Vec::new(), Turn::Flush),
            Step::Reopen => {
                self.memory.fault(Fault::None);
                if !self.store.works() {
                    self.mend();
                }
                // What was removed is on the disk: nothing comes back.
                self.commit(Vec::new(), Turn::Flush);
                self.model.doubtful.clear();
                self.close();
                self.reopen();
                self.check_exactly();
            }
            Step::Crash(seed) => {
                self.memory.crash(&mut Dice(seed));
                self.reopen();
                self.adopt();
            }
            Step::Fail(fault) => self.memory.fault(fault),
            Step::Wait(millis) => self.now += millis,
        }
        balances(&self.store.books);
    }

    /// Leaves another in its place.
    fn close(&mut self) {
        let other = Store::open(Memory::default(), BOUNDS).expect("opens");
        std::mem::replace(&mut self.store, other).close();
    }

    fn reopen(&mut self) {
        // The old one is dropped first, as it goes with its process.
        self.store = Store::open(Memory::default(), BOUNDS).expect("opens");
        self.store = Store::open(self.memory.clone(), BOUNDS).expect("opens");
        assert!(self.store.notices.is_empty(), "{:?}", self.store.notices);
    }

    fn append(&mut self, news: &[New], turn: Turn) {
        let drafts = news.iter().map(|new| {
            self.last += 1;
            let mut message = message(new.lane, new.priority, self.last, new.length);
            message.metadata.expires = new.lives.map(|lives| moment(self.now + lives));
            let draft = Draft::of(&message).expect("encodes");
            let kept = Kept {
                number: self.last,
                lane: new.lane,
                priority: new.priority,
                length: draft.length(),
                stored: self.now,
                expires: new.lives.map(|lives| self.now + lives),
            };
            (draft, kept)
        });
        let drafts: Vec<(Draft, Kept)> = drafts.collect();
        let tried = drafts.iter().map(|(_, kept)| (kept.number, *kept));
        self.tried.extend(tried);
        self.commit(drafts, turn);
    }

    fn commit(&mut self, drafts: Vec<(Draft, Kept)>, turn: Turn) {
        if !self.store.works() {
            self.mend();
        }
        let (drafts, kept): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
        let store = &mut self.store;
        let (committed, lanes) = match turn {
            Turn::Signals => {
                let lanes = &[Lane::Signal][..];
                (store.commit_alone(Lane::Signal, drafts, self.now), lanes)
            }
            Turn::Together | Turn::Flush => {
                let flush = turn == Turn::Flush;
                (store.commit(drafts, flush, self.now), &Lane::ALL[..])
            }
        };
        let Ok(committed) = committed.inspect_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        }) else {
            let numbers = kept.iter().map(|kept| kept.number);
            self.model.doubtful.extend(numbers);
            return self.mend();
        };
        let mut lost = self.model.expire(lanes, self.now, &BOUNDS);
        for (kept, outcome) in kept.into_iter().zip(committed.outcomes) {
            let expected = if kept.length > BOUNDS.max_bytes {
                Err(ErrorKind::TooLarge)
            } else {
                let dropped = self.model.append(kept, &BOUNDS);
                dropped.ok_or(ErrorKind::Busy)
            };
            match (outcome, expected) {
                (Ok(sequence), Ok(dropped)) => {
                    let before = self.places.values().max().copied();
                    assert!(before < Some(sequence), "{before:?}, {sequence}");
                    self.places.insert(kept.number, sequence);
                    lost.extend(dropped.into_iter().map(|number| (number, LossCause::Full)));
                }
                (Err(error), Err(kind)) => assert_eq!(error.kind(), kind, "{error}"),
                (outcome, expected) => panic!("{outcome:?}, {expected:?}, {kept:?}"),
            }
        }
        let notices = std::mem::take(&mut self.store.notices);
        let told: Vec<_> = notices.iter().map(told).collect();
        lost.sort_unstable_by_key(|(number, _)| *number);
        let mut told_sorted = told;
        told_sorted.sort_unstable_by_key(|(number, _)| *number);
        assert_eq!(told_sorted, lost);
        self.check_exactly();
    }

    fn remove(&mut self, place: usize) {
        if self.model.records.is_empty() {
            return;
        }
        let number = self.model.records[place % self.model.records.len()].number;
        self.store.remove(self.places[&number]);
        self.model.remove(number);
        self.check_exactly();
    }

    /// The disk works again, and so does the store.
    fn mend(&mut self) {
        self.memory.fault(Fault::None);
        self.store.mend().expect("mends");
        for notice in std::mem::take(&mut self.store.notices) {
            // Dropped by a commit that has reached the disk, though it failed.
            let (number, _) = told(&notice);
            self.model.remove(number);
        }
        self.check_exactly();
    }

    /// After a crash: all that was promised is there, in order; what was said to be gone may be, too.
    fn adopt(&mut self) {
        let mut after = BTreeMap::new();
        for (_, records) in all(&mut self.store) {
            for record in records {
                let number = number_of(&record);
                let before = self.model.records.iter().find(|kept| kept.number == number);
                assert!(
                    before.is_some() || self.model.doubtful.contains(&number),
                    "{number}"
                );
                if before.is_some() {
                    assert_eq!(self.places[&number], record.sequence);
                }
                self.places.insert(number, record.sequence);
                after.insert(record.sequence, self.tried[&number]);
            }
        }
        for kept in &self.model.records {
            let there = after.values().any(|other| other.number == kept.number);
            assert!(there, "{kept:?} was promised");
        }
        self.model.records = after.into_values().collect();
        self.model.doubtful.clear();
        self.check_exactly();
    }

    /// What the store holds is what the model holds.
    fn check_exactly(&mut self) {
        if !self.store.works() {
            return;
        }
        let fault = self.memory.take_fault();
        for (lane, records) in all(&mut self.store) {
            let numbers: Vec<u64> = records.iter().map(number_of).collect();
            assert_eq!(numbers, self.model.numbers(lane), "{lane}");
            let places = records.iter().map(|record| record.sequence);
            assert!(places.eq(numbers.iter().map(|number| self.places[number])));
            for record in &records {
                let kept = self
                    .model
                    .records
                    .iter()
                    .find(|kept| kept.number == number_of(record));
                let kept = kept.expect("is there");
                assert_eq!(millis(record.stored), kept.stored);
                assert_eq!(record.message.metadata.expires.map(millis), kept.expires);
            }
        }
        self.memory.fault(fault);
    }
}

fn told(notice: &Notice) -> (u64, LossCause) {
    let Notice::Lost(lost) = notice else {
        panic!("{notice}");
    };
    let id = lost.metadata.id.as_u128();
    let number = u64::try_from(id & ((1 << 62) - 1)).expect("small");
    (number, lost.cause)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_keeps_the_order_and_loses_nothing_that_was_synced(steps in steps()) {
        let mut pair = Pair::new();
        for step in steps {
            pair.step(step);
        }
        prop_assert_eq!(pair.memory.put_aside(), 0);
    }

    #[test]
    fn a_disk_that_lies_never_makes_it_say_something_wrong(
        news in prop::collection::vec(news(), 1..20), seed: u64,
    ) {
        let mut pair = Pair::new();
        pair.memory.fault(Fault::SyncLies);
        for new in &news {
            pair.append(std::slice::from_ref(new), Turn::Together);
            pair.memory.fault(Fault::SyncLies);
        }
        pair.memory.crash(&mut Dice(seed));
        drop(pair.store);
        // It opens, and whatever is there is what was written once.
        let mut store = Store::open(pair.memory.clone(), BOUNDS).expect("opens");
        for (_, records) in all(&mut store) {
            prop_assert!(records.is_sorted_by_key(|record| record.sequence));
            for record in records {
                prop_assert!(pair.tried.contains_key(&number_of(&record)));
            }
        }
    }
}

fn cases() -> u32 {
    if std::env::var_os("ALGEDONIC_LONG").is_some() {
        5_000
    } else {
        256
    }
}
