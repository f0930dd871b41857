use std::{fs, path::Path};

use algedonic_transport::{ErrorKind, Lane};
use proptest::prelude::*;

use super::{
    NO_BOUNDS, all, balances,
    dice::Dice,
    disk::{Fault, Memory},
    message, number_of, numbers,
};
use crate::spool::file::{
    Damage, Notice,
    disk::{Disk, Folder},
    encoding::Draft,
    salvage,
    state::{self, State},
    store::Store,
};

/// A store of so many events, a few in each write; every third of the first half is removed.
fn filled(events: u64) -> (Memory, Vec<u64>) {
    let memory = Memory::default();
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    let all: Vec<u64> = (1..=events).collect();
    for some in all.chunks(3) {
        append(&mut store, some);
    }
    for number in (1..=events / 2).step_by(3) {
        store.remove(number);
    }
    store.commit(Vec::new(), true, 0).expect("a good disk");
    let left = numbers(&mut store, Lane::Event);
    store.close();
    (memory, left)
}

fn append(store: &mut Store, some: &[u64]) {
    let length = |number: u64| usize::try_from(number * 97 % 1_500).expect("small");
    let draft = |number: &u64| Draft::of(&message(Lane::Event, 0, *number, length(*number)));
    let drafts = some.iter().map(|number| draft(number).expect("encodes"));
    store
        .commit(drafts.collect(), false, 0)
        .expect("a good disk");
}

fn damage(store: &mut Store) -> Damage {
    let notices = std::mem::take(&mut store.notices);
    match <[Notice; 1]>::try_from(notices) {
        Ok([Notice::Damaged(damage)]) => damage,
        other => panic!("{other:?}"),
    }
}

/// Opens a file that may be damaged: whatever is whole in it is there, in order, and what is not there is told.
fn opens(memory: &Memory, closed: bool, expected: &[u64]) -> Vec<u64> {
    let whole = salvage::scan(
        &*memory.clone().open().expect("ok").expect("a file").0,
        None,
    );
    let whole = whole.expect("readable").records;
    if !closed {
        memory.crash(&mut Dice(0));
    }
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    let there = numbers(&mut store, Lane::Event);
    if !closed && store.notices.is_empty() {
        // Every record that is whole is there, in whatever state the database was.
        assert!(
            expected
                .iter()
                .all(|number| there.contains(number) == whole.contains_key(number))
        );
    } else if there != expected {
        let damage = damage(&mut store);
        assert_eq!(damage.error.kind(), ErrorKind::Malformed);
        assert_eq!(damage.salvaged, there.len() as u64);
        assert_eq!(memory.put_aside(), 1);
        // Sequences are the numbers here.
        assert!(there.iter().eq(whole.keys()));
        // What comes back was removed out of order, or so lately that the file did not know it yet.
        assert!(there.iter().all(|number| (1..=60).contains(number)));
    }
    // And it is a good one again.
    let next = 1 + there.last().copied().unwrap_or_default();
    let committed = store.commit(
        vec![Draft::of(&message(Lane::Event, 0, 900, 9)).expect("encodes")],
        false,
        0,
    );
    let outcomes = committed.expect("a good disk").outcomes;
    assert!(*outcomes[0].as_ref().expect("room") >= next);
    drop(store);
    let mut again = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    assert!(again.notices.is_empty());
    assert_eq!(again.books.recovered, there.len() as u64 + 1);
    balances(&again.books);
    let _ = all(&mut again);
    there
}

#[test]
fn a_file_that_is_cut_anywhere_keeps_what_is_whole() {
    let (memory, left) = filled(60);
    let mut length = 0;
    memory.edit(|bytes| length = bytes.len());
    let (mut salvaged, mut cuts) = (0, 0);
    for cut in (0..length).step_by(512) {
        let memory = memory.copy();
        memory.edit(|bytes| bytes.truncate(cut));
        salvaged += opens(&memory, cut % 1024 == 0, &left).len();
        cuts += 1;
    }
    println!(
        "{cuts} cuts of {length} bytes; {salvaged} records of {} kept",
        cuts * left.len()
    );
    assert!(salvaged > 0);
}

#[test]
fn a_tail_of_garbage_or_of_nothing_costs_no_record_that_is_whole() {
    let (memory, left) = filled(60);
    for filling in [0, 0x5A] {
        for tail in [1, 511, 512, 4096, 10_000] {
            let longer = memory.copy();
            longer.edit(|bytes| bytes.extend(std::iter::repeat_n(filling, tail)));
            let there = opens(&longer, true, &left);
            assert!(
                left.iter().all(|number| there.contains(number)),
                "{tail} times {filling}"
            );
            let changed = memory.copy();
            changed.edit(|bytes| {
                let start = bytes.len() - tail;
                bytes[start..].fill(filling);
            });
            let unclosed = changed.copy();
            assert!(!opens(&changed, true, &left).is_empty());
            assert!(!opens(&unclosed, false, &left).is_empty());
        }
    }
}

#[test]
fn what_was_removed_does_not_come_back_from_a_damaged_file() {
    let memory = Memory::default();
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    for number in 1..=20 {
        append(&mut store, &[number]);
    }
    for number in 1..=20 {
        store.remove(number);
    }
    store.commit(Vec::new(), true, 0).expect("a good disk");
    append(&mut store, &[21, 22]);
    drop(store);
    // Old pages are still about.
    let spool = |file: &Memory| {
        let backend = file.clone().open().expect("ok").expect("a file");
        salvage::scan(&*backend.0, None).expect("readable")
    };
    assert_eq!(
        spool(&memory).records.into_keys().collect::<Vec<_>>(),
        [21, 22]
    );
    memory.edit(|bytes| bytes[..64].fill(0));
    let mut store = Store::open(memory, NO_BOUNDS).expect("opens");
    assert_eq!(damage(&mut store).salvaged, 2);
    assert_eq!(numbers(&mut store, Lane::Event), [21, 22]);
}

#[test]
fn a_message_that_looks_like_a_record_is_not_taken_for_one() {
    let forged = Draft::of(&message(Lane::Event, 0, 777, 100)).expect("encodes");
    let forged = forged.seal(1234, 777, 0);
    let memory = Memory::default();
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    append(&mut store, &[1, 2]);
    let mut bringing = message(Lane::Event, 0, 3, 0);
    bringing.body = forged.clone().into();
    let draft = Draft::of(&bringing).expect("encodes");
    store.commit(vec![draft], false, 0).expect("a good disk");
    drop(store);
    memory.edit(|bytes| {
        bytes[..64].fill(0);
        // The record around it is damaged, in every copy.
        let inside: Vec<usize> = (0..bytes.len() - forged.len())
            .filter(|at| bytes[*at..].starts_with(&forged))
            .collect();
        assert!(!inside.is_empty());
        for at in inside {
            bytes[at - 1] ^= 1;
        }
    });
    let mut store = Store::open(memory, NO_BOUNDS).expect("opens");
    assert_eq!(damage(&mut store).salvaged, 2);
    assert_eq!(numbers(&mut store, Lane::Event), [1, 2]);
}

#[test]
fn damage_that_is_found_meanwhile_says_how_many_are_missing() {
    let (memory, left) = filled(60);
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    let mut gone = 0;
    memory.edit(|bytes| gone = bytes.len() / 2);
    memory.edit(|bytes| bytes.truncate(gone));
    memory.fault(Fault::BrokenAfter(1));
    let draft = Draft::of(&message(Lane::Event, 0, 61, 10)).expect("encodes");
    assert!(store.commit(vec![draft], false, 0).is_err());
    memory.fault(Fault::None);
    store.mend().expect("mends");
    let damage = damage(&mut store);
    let there = numbers(&mut store, Lane::Event);
    assert!(there.len() < left.len());
    assert_eq!(damage.missing, Some((left.len() - there.len()) as u64));
    balances(&store.books);
    // Nothing has come back that had been removed.
    assert!(there.iter().all(|number| left.contains(number)));
}

#[test]
fn a_newer_format_is_left_alone() {
    let mut memory = Memory::default();
    drop(Store::open(memory.clone(), NO_BOUNDS).expect("opens"));
    let backend = memory.open().expect("ok").expect("a file");
    let database = redb::Database::builder()
        .create_with_backend(backend)
        .expect("good");
    let transaction = database.begin_write().expect("good");
    let newer = State {
        format: state::FORMAT + 1,
        spool: 1,
        next: 1,
        floors: [1; 3],
    };
    let records = redb::TableDefinition::<u64, &[u8]>::new("records");
    let mut table = transaction.open_table(records).expect("good");
    table.insert(0, newer.write().as_slice()).expect("good");
    drop(table);
    transaction.commit().expect("good");
    drop(database);
    let error = Store::open(memory.clone(), NO_BOUNDS)
        .err()
        .expect("refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(memory.put_aside(), 0);
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let mut memory = Memory::default();
    let backend = memory.fresh().expect("a file");
    let database = redb::Database::builder()
        .create_with_backend(backend)
        .expect("good");
    let transaction = database.begin_write().expect("good");
    let other = redb::TableDefinition::<u64, u64>::new("other");
    transaction
        .open_table(other)
        .expect("good")
        .insert(1, 2)
        .expect("good");
    transaction.commit().expect("good");
    drop(database);
    memory.replace(false).expect("a file");
    let error = Store::open(memory.clone(), NO_BOUNDS)
        .err()
        .expect("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(memory.put_aside(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_changed_in_the_file_is_found(seed: u64, places in 1..20_u64) {
        let (memory, left) = filled(40);
        let mut dice = Dice(seed);
        memory.edit(|bytes| for _ in 0..places {
            let at = dice.index(bytes.len());
            bytes[at] ^= 1 << dice.below(8);
        });
        let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
        let there = numbers(&mut store, Lane::Event);
        if there != left {
            prop_assert_eq!(damage(&mut store).salvaged, there.len() as u64);
            prop_assert!(there.iter().all(|number| (1..=40).contains(number)));
        }
        let _ = all(&mut store).iter().flat_map(|(_, records)| records).map(number_of).max();
    }
}

#[test]
fn a_file_that_is_gone_is_told() {
    let folder = Memory::default();
    let mut store = Store::open(folder.clone(), NO_BOUNDS).expect("opens");
    append(&mut store, &[1, 2]);
    store.close();
    folder.lose();
    let mut store = Store::open(folder.clone(), NO_BOUNDS).expect("opens");
    let damage = damage(&mut store);
    assert!(damage.error.to_string().contains("gone"), "{damage}");
    assert_eq!((damage.aside, damage.salvaged), (None, 0));
    // An empty one that is gone is no loss.
    store.close();
    folder.lose();
    let store = Store::open(folder, NO_BOUNDS).expect("opens");
    assert!(store.notices.is_empty());
}

#[test]
fn a_file_that_is_older_than_it_was_is_told() {
    let memory = Memory::default();
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    append(&mut store, &[1, 2]);
    store.close();
    let mut old = Vec::new();
    memory.edit(|bytes| old.clone_from(bytes));
    let mut store = Store::open(memory.clone(), NO_BOUNDS).expect("opens");
    append(&mut store, &[3]);
    store.close();
    // As good a database as any.
    memory.edit(|bytes| *bytes = old);
    let mut store = Store::open(memory, NO_BOUNDS).expect("opens");
    assert_eq!(damage(&mut store).salvaged, 2);
    assert_eq!(numbers(&mut store, Lane::Event), [1, 2]);
}

/// As a process leaves it that is killed: the database would go back to an older state, and say nothing.
#[test]
fn a_file_that_is_cut_after_its_process_was_killed_is_told() {
    let folder = |name: String| {
        let folder =
            std::env::temp_dir().join(format!("algedonic-cut-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    };
    let alive = folder("alive".to_owned());
    let path = |folder: &Path| folder.join("spool");
    let beside = |folder: &Path| folder.join("spool.lock");
    let disk = Folder::lock(&path(&alive)).expect("nobody has it");
    let mut store = Store::open(disk, NO_BOUNDS).expect("opens");
    let all: Vec<u64> = (1..=300).collect();
    for some in all.chunks(20) {
        append(&mut store, some);
    }
    let length = fs::metadata(path(&alive)).expect("there").len();
    let step = usize::try_from(length / 40).expect("small");
    let mut told = 0;
    for cut in (0..=length).rev().step_by(step) {
        let killed = folder(cut.to_string());
        fs::copy(path(&alive), path(&killed)).expect("copied");
        fs::copy(beside(&alive), beside(&killed)).expect("copied");
        let file = fs::File::options().write(true).open(path(&killed));
        file.expect("there").set_len(cut).expect("cut");
        let disk = Folder::lock(&path(&killed)).expect("nobody has it");
        let mut store = Store::open(disk, NO_BOUNDS).expect("opens");
        let there = numbers(&mut store, Lane::Event);
        if cut == length {
            assert!(store.notices.is_empty(), "{:?}", store.notices);
            assert_eq!(there, all);
            drop(store);
            fs::remove_dir_all(killed).expect("removed");
            continue;
        }
        let damage = damage(&mut store);
        assert_eq!(
            damage.salvaged,
            there.len() as u64,
            "cut at {cut} of {length}"
        );
        told += 1;
        // And it is a good one again, whose length is known.
        drop(store);
        let disk = Folder::lock(&path(&killed)).expect("nobody has it");
        let mut again = Store::open(disk, NO_BOUNDS).expect("opens");
        assert!(again.notices.is_empty(), "{:?}", again.notices);
        assert_eq!(numbers(&mut again, Lane::Event), there);
        drop(again);
        fs::remove_dir_all(killed).expect("removed");
    }
    drop(store);
    fs::remove_dir_all(alive).expect("removed");
    assert!(told > 30, "{told}");
}
