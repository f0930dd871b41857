use algedonic_transport::Lane;

use super::{
    NO_BOUNDS,
    dice::Dice,
    disk::{Fault, Memory},
    message, numbers,
};
use crate::spool::file::{encoding::Draft, index::Bounds, store::Store};

/// As many records of some 860 bytes as fit in are 46.
const MANY: Bounds = Bounds {
    max_bytes: 40_000,
    max_age: 10_000,
};

/// More than any commit here does.
const CALLS: u64 = 80;

fn append(store: &mut Store, number: u64, length: usize) -> Option<u64> {
    let draft = Draft::of(&message(Lane::Event, 5, number, length)).expect("encodes");
    let committed = store.commit(vec![draft], false, 0).ok()?;
    committed.outcomes.into_iter().next()?.ok()
}

#[test]
fn no_sequence_is_used_twice() {
    for calls in 1..CALLS {
        let memory = Memory::default();
        let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
        append(&mut store, 1, 600).expect("stored");
        memory.fault(Fault::BrokenAfter(calls));
        if append(&mut store, 2, 600).is_some() {
            return assert!(calls > 2, "it never failed");
        }
        memory.fault(Fault::None);
        store.mend().expect("mends");
        store.close();
        let mut store = Store::open(memory, NO_BOUNDS).expect("opens");
        let next = append(&mut store, 3, 600).expect("stored");
        assert!(next > 2, "broken after {calls}: {next}");
    }
    panic!("it always failed");
}

/// Where the floors of states that were never committed lie about.
#[test]
fn what_a_commit_would_have_dropped_that_was_cut_off_is_salvaged() {
    for (calls, seed) in (1..CALLS).flat_map(|calls| (0..8).map(move |seed| (calls, seed))) {
        let memory = Memory::default();
        let mut store = Store::open(memory.clone(), MANY).expect("opens");
        for number in 1..=46 {
            append(&mut store, number, 600).expect("stored");
        }
        assert!(store.notices.is_empty());
        memory.fault(Fault::BrokenAfter(calls));
        // It drops the first.
        if append(&mut store, 47, 1_200).is_some() {
            return assert!(calls > 2, "it never failed");
        }
        memory.crash(&mut Dice(seed));
        let mut store = Store::open(memory.clone(), MANY).expect("opens");
        let promised = numbers(&mut store, Lane::Event);
        drop(store);
        memory.edit(|bytes| bytes[..64].fill(0));
        let mut store = Store::open(memory, MANY).expect("opens");
        let there = numbers(&mut store, Lane::Event);
        let lost = promised.iter().find(|number| !there.contains(number));
        assert_eq!(
            lost, None,
            "broken after {calls}, with seed {seed}: {there:?}"
        );
    }
    panic!("it always failed");
}
