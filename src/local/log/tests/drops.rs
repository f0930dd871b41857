//! Each value is dropped once: not too early, not too late, by whoever is its last owner.

use std::{
    mem::forget,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    super::{index, segment_len},
    *,
};

#[test]
fn what_is_never_read_is_dropped_with_the_log() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let reader = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..6 {
        log.append_new(&drops);
    }
    assert_eq!(drops.sum(), 0);
    drop(log);
    drops.assert_each_once();
    drop(reader);
}

#[test]
fn without_readers_the_log_keeps_no_more_than_a_segment() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    for number in 1..=20 {
        log.append_new(&drops);
        assert!(number - drops.sum() <= 4);
    }
}

#[test]
fn what_was_read_is_let_go_of_on_demand() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut one = log.subscribe(u64::MAX, u64::MAX);
    let mut other = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..6 {
        log.append_new(&drops);
    }
    assert_eq!(read_all(&log, &mut one, u64::MAX), 6);
    drop(log.release_read());
    assert_eq!(drops.sum(), 0, "the other one has read nothing");
    drop(log.seek(&mut other, 0));
    assert!(other.is_ready());
    other.advance(2);
    drop(log.release_read());
    assert_eq!(drops.sum(), 2);
    // Twice the same: nothing more.
    drop(log.release_read());
    assert_eq!(drops.sum(), 2);
    assert_eq!(read_all(&log, &mut other, u64::MAX), 4);
    let garbage = log.release_read();
    assert_eq!(drops.sum(), 2, "not before the garbage is dropped");
    drop(garbage);
    drops.assert_each_once();
    log.append_new(&drops);
    assert_eq!(read_all(&log, &mut one, u64::MAX), 1);
}

#[test]
fn a_reader_that_goes_holds_nothing_back() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut slow = log.subscribe(u64::MAX, u64::MAX);
    let mut fast = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..6 {
        log.append_new(&drops);
    }
    assert_eq!(read_all(&log, &mut fast, u64::MAX), 6);
    let mut garbage = log.unsubscribe(&mut slow);
    garbage.add(log.release_read());
    drop(garbage);
    drops.assert_each_once();
}

#[test]
fn a_slow_lossy_reader_keeps_its_segment_and_no_more() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut lossy = log.subscribe(1, u64::MAX);
    log.append_new(&drops);
    drop(log.seek(&mut lossy, 0));
    for _ in 0..12 {
        log.append_new(&drops);
    }
    // The four of its own segment, and the four of the newest.
    assert_eq!((drops.sum(), drops.of(0), drops.of(3)), (4, 0, 0));
    assert!(lossy.is_ready());
    lossy.advance(2);
    log.append_new(&drops);
    assert_eq!(drops.of(0), 0, "its segment was let go of as a whole");
    lossy.advance(2);
    assert_eq!([0, 1, 2, 3].map(|number| drops.of(number)), [1; 4]);
    drop((lossy, log));
    drops.assert_each_once();
}

#[test]
fn an_owner_outlives_reader_and_log() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..5 {
        log.append_new(&drops);
    }
    drop(log.seek(&mut reader, 0));
    assert!(reader.is_ready());
    let shared = reader.share_at(1);
    let clone = shared.clone();
    let newest = log.share_newest();
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 5);
    drop(log.release_read());
    assert_eq!((drops.sum(), drops.of(1), drops.of(4)), (3, 0, 0));
    drop((reader, log));
    assert_eq!(drops.sum(), 3);
    assert_eq!((shared.number, clone.number, newest.number), (1, 1, 4));
    drop(shared);
    assert_eq!(drops.of(1), 0);
    drop(clone);
    assert_eq!(drops.of(1), 1);
    drop(newest);
    drops.assert_each_once();
}

#[test]
#[cfg_attr(miri, ignore = "it leaks, as it is told to")]
fn a_leaked_owner_keeps_its_value() {
    let drops = Drops::default();
    let mut log = Log::<(), Value>::new(());
    log.append_new(&drops);
    log.append_new(&drops);
    forget(log.share_newest().clone());
    // The slab leaks with it, and what is in it.
    drop(log);
    assert_eq!(drops.of(1), 0);
}

/// A value whose drop panics, if it is told to.
struct Angry(bool, Drops, u64);

impl Drop for Angry {
    fn drop(&mut self) {
        self.1.0.lock().expect("no panic")[index(self.2)] += 1;
        assert!(!self.0, "angry");
    }
}

/// How many of those are in a segment.
const SEGMENT: u64 = segment_len::<Angry>() as u64;

/// How many there are in the log: in two segments.
const ALL: u64 = SEGMENT + 8;

fn angry_log(drops: &Drops, angry: Option<u64>) -> Log<(), Angry> {
    let mut log = Log::new(());
    append_all(&mut log, drops, angry);
    log
}

fn append_all(log: &mut Log<(), Angry>, drops: &Drops, angry: Option<u64>) {
    for number in 0..ALL {
        drops.expect(number);
        let is_angry = Some(number) == angry;
        drop(log.append(Angry(is_angry, drops.clone(), number)));
    }
}

#[test]
fn a_drop_that_panics_leaves_out_no_other() {
    for angry in [0, 7, SEGMENT - 1, SEGMENT, ALL - 1] {
        let drops = Drops::default();
        // Where the log is dropped.
        let mut log = angry_log(&drops, None);
        let reader = log.subscribe(u64::MAX, u64::MAX);
        drop((log, reader));
        drops.assert_each_once();

        // Where the log lets go of what was read.
        let drops = Drops::default();
        let mut log = Log::new(());
        let mut reader = log.subscribe(u64::MAX, u64::MAX);
        append_all(&mut log, &drops, Some(angry));
        while read(&log, &mut reader, u64::MAX, |at, value| {
            assert_eq!(value.2, at);
        })
        .is_some()
        {}
        let garbage = log.release_read();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(garbage)));
        assert!(dropped.is_err());
        assert_eq!(drops.of(angry), 1);
        drop((reader, log));
        drops.assert_each_once();

        // Where the log is dropped with it unread: in the last segment, the only one without readers.
        let drops = Drops::default();
        let log = angry_log(&drops, Some(angry.max(SEGMENT)));
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(log)));
        assert!(dropped.is_err());
        drops.assert_each_once();
    }
}

#[test]
fn a_last_owner_whose_drop_panics_is_gone() {
    let drops = Drops::default();
    let mut log = angry_log(&drops, Some(ALL - 1));
    let shared = log.share_newest();
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    drop(log.release_read());
    assert_eq!(drops.sum(), index(ALL - 1));
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(shared)));
    assert!(dropped.is_err());
    drop(log.unsubscribe(&mut reader));
    drop(log);
    drops.assert_each_once();
}
