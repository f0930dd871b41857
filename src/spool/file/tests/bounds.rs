use algedonic_transport::{ErrorKind, Lane, Priority};

use super::{BOUNDS, balances, disk::Memory, message, numbers};
use crate::spool::file::{
    LossCause, Notice,
    encoding::{Draft, moment},
    index::Bounds,
    store::Store,
};

/// As many records of 500 bytes as fit in are four.
const FOUR: Bounds = Bounds {
    max_bytes: 3_000,
    max_age: 10_000,
};

fn store() -> Store {
    Store::open(Memory::default(), FOUR).expect("opens")
}

/// Appends a message of some 700 bytes.
fn append(store: &mut Store, lane: Lane, priority: u8, number: u64) -> Result<u64, ErrorKind> {
    let draft = Draft::of(&message(lane, priority, number, 500)).expect("encodes");
    assert!((600..750).contains(&draft.length()), "{}", draft.length());
    let mut committed = store.commit(vec![draft], false, 0).expect("a good disk");
    balances(&store.books);
    committed.outcomes.remove(0).map_err(|error| error.kind())
}

#[test]
fn what_made_room_says_for_what() {
    let mut store = store();
    for number in 1..=4 {
        append(&mut store, Lane::Signal, 8, number).expect("room");
    }
    let critical = message(Lane::Signal, 10, 5, 500);
    let draft = Draft::of(&critical).expect("encodes");
    store.commit(vec![draft], false, 0).expect("a good disk");
    match &store.notices[..] {
        [Notice::Lost(lost)] => {
            assert_eq!(lost.made_room_for, Some(critical.metadata.correlation));
        }
        other => panic!("{other:?}"),
    }
}

fn lost(store: &mut Store) -> Vec<(u64, LossCause)> {
    let notices = std::mem::take(&mut store.notices).into_iter();
    let lost = notices.map(|notice| match notice {
        Notice::Lost(lost) => (lost.sequence, lost.cause),
        other => panic!("{other}"),
    });
    lost.collect()
}

#[test]
fn the_oldest_low_one_makes_room_first() {
    let mut store = store();
    for (number, priority) in [(1, 8), (2, 2), (3, 5), (4, 2)] {
        append(&mut store, Lane::Signal, priority, number).expect("room");
    }
    append(&mut store, Lane::Signal, 10, 5).expect("room");
    assert_eq!(lost(&mut store), [(2, LossCause::Full)]);
    append(&mut store, Lane::Signal, 8, 6).expect("room");
    append(&mut store, Lane::Signal, 8, 7).expect("room");
    assert_eq!(
        lost(&mut store),
        [(4, LossCause::Full), (3, LossCause::Full)]
    );
    // Nothing below it is left: the oldest of its own.
    append(&mut store, Lane::Signal, 8, 8).expect("room");
    assert_eq!(lost(&mut store), [(1, LossCause::Full)]);
    assert_eq!(numbers(&mut store, Lane::Signal), [5, 6, 7, 8]);
    assert_eq!(store.books.dropped, 4);
}

#[test]
fn a_critical_one_is_refused_and_none_is_dropped() {
    let mut store = store();
    for number in 1..=4 {
        append(&mut store, Lane::Signal, Priority::MAX.get(), number).expect("room");
    }
    for priority in [2, 8, 10] {
        let refused = append(&mut store, Lane::Signal, priority, 5);
        assert_eq!(refused, Err(ErrorKind::Busy));
    }
    assert_eq!(lost(&mut store), []);
    assert_eq!(numbers(&mut store, Lane::Signal), [1, 2, 3, 4]);
    assert_eq!(store.books.refused, 3);
}

#[test]
fn what_matters_more_is_not_dropped_for_what_matters_less() {
    let mut store = store();
    for number in 1..=4 {
        append(&mut store, Lane::Event, 5, number).expect("room");
    }
    assert_eq!(append(&mut store, Lane::Event, 4, 5), Err(ErrorKind::Busy));
    assert_eq!(lost(&mut store), []);
}

#[test]
fn commands_are_refused_and_no_lane_fills_another() {
    let mut store = store();
    for number in 1..=4 {
        append(&mut store, Lane::Command, 0, number).expect("room");
    }
    assert_eq!(
        append(&mut store, Lane::Command, 10, 5),
        Err(ErrorKind::Busy)
    );
    for number in 5..=8 {
        append(&mut store, Lane::Event, 0, number).expect("room of its own");
        append(&mut store, Lane::Signal, 2, 10 + number).expect("room of its own");
    }
    assert_eq!(lost(&mut store), []);
    assert_eq!(store.books.records(), 12);
    assert_eq!(store.books.lane(Lane::Command).records, 4);
}

#[test]
fn what_could_never_fit_drops_nothing() {
    let mut store = store();
    append(&mut store, Lane::Event, 0, 1).expect("room");
    let large = Draft::of(&message(Lane::Event, 10, 2, 3_000)).expect("encodes");
    let committed = store.commit(vec![large], false, 0).expect("a good disk");
    let error = committed.outcomes[0].as_ref().expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(!error.is_transient());
    assert_eq!(numbers(&mut store, Lane::Event), [1]);
}

#[test]
fn what_is_too_old_or_has_expired_is_told() {
    let mut store = Store::open(Memory::default(), BOUNDS).expect("opens");
    let mut expiring = message(Lane::Signal, 10, 3, 10);
    expiring.metadata.expires = Some(moment(5_000));
    let messages = [
        message(Lane::Signal, 8, 1, 10),
        message(Lane::Signal, 10, 2, 10),
        expiring,
        message(Lane::Command, 0, 4, 10),
    ];
    let drafts = messages
        .iter()
        .map(|message| Draft::of(message).expect("encodes"));
    store
        .commit(drafts.collect(), false, 1_000)
        .expect("a good disk");
    let at = |store: &mut Store, now| {
        store.commit(Vec::new(), false, now).expect("a good disk");
        lost(store)
    };
    assert_eq!(at(&mut store, 4_999), []);
    assert_eq!(at(&mut store, 5_000), [(3, LossCause::Expired)]);
    assert_eq!(at(&mut store, 10_999), []);
    assert_eq!(at(&mut store, 11_000), [(1, LossCause::TooOld)]);
    // A critical signal and a command are kept, however old.
    assert_eq!(at(&mut store, u64::MAX - 1), []);
    assert_eq!(numbers(&mut store, Lane::Signal), [2]);
    assert_eq!(numbers(&mut store, Lane::Command), [4]);
    assert_eq!(store.books.expired, 2);
}
