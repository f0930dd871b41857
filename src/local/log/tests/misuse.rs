//! What a caller gets wrong panics, and breaks nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// A log with six entries in two segments, and a reader at the first.
fn two_segments(drops: &Drops) -> (Log<(), Wide>, Reader<(), Wide>) {
    let mut log = Log::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..6 {
        log.append_new(drops);
    }
    drop(log.seek(&mut reader, 0));
    assert!(reader.is_ready());
    (log, reader)
}

/// Does something wrong; afterwards everything is still read, and dropped once.
fn assert_panics(wrong: impl FnOnce(&mut Log<(), Wide>, &mut Reader<(), Wide>)) {
    let drops = Drops::default();
    let (mut log, mut reader) = two_segments(&drops);
    let outcome = catch_unwind(AssertUnwindSafe(|| wrong(&mut log, &mut reader)));
    assert!(outcome.is_err());
    let rest = log.next() - reader.at();
    assert_eq!(read_all(&log, &mut reader, u64::MAX), rest);
    log.append_new(&drops);
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 1);
    drop(log.release_read());
    drops.assert_each_once();
}

#[test]
fn an_entry_that_was_passed_is_not_lent() {
    assert_panics(|_, reader| {
        reader.advance(1);
        reader.get_at(0);
    });
    assert_panics(|_, reader| {
        reader.advance(1);
        drop(reader.share_at(0));
    });
}

#[test]
fn an_entry_beyond_the_run_is_not_lent() {
    assert_panics(|_, reader| drop(reader.share_at(4)));
    assert_panics(|_, reader| _ = reader.get_at(4));
    assert_panics(|_, reader| _ = reader.get_at(6));
    assert_panics(|_, reader| _ = reader.get_at(u64::MAX));
}

#[test]
fn an_entry_that_the_reader_has_not_looked_for_is_not_lent() {
    let drops = Drops::default();
    let (mut log, mut reader) = two_segments(&drops);
    drop(log.seek(&mut reader, 5));
    assert!(reader.is_ready());
    // Written, but it does not know.
    log.append_new(&drops);
    assert!(catch_unwind(AssertUnwindSafe(|| _ = reader.get_at(6))).is_err());
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 2);
}

#[test]
fn an_entry_whose_segment_the_reader_has_not_is_not_lent() {
    assert_panics(|_, reader| {
        reader.advance(4);
        reader.get_at(4);
    });
}

#[test]
fn no_reader_goes_beyond_the_run() {
    assert_panics(|_, reader| reader.advance(5));
    assert_panics(|_, reader| reader.advance(u64::MAX));
    assert_panics(|_, reader| {
        reader.advance(4);
        reader.advance(1);
    });
}

#[test]
fn no_reader_seeks_back_or_beyond_the_newest() {
    assert_panics(|log, reader| {
        reader.advance(3);
        drop(log.seek(reader, 2));
    });
    assert_panics(|log, reader| drop(log.seek(reader, 6)));
    assert_panics(|log, reader| drop(log.seek(reader, u64::MAX)));
}

#[test]
fn no_reader_seeks_what_the_log_has_let_go_of() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut lossy = log.subscribe(1, u64::MAX);
    for _ in 0..9 {
        log.append_new(&drops);
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(log.seek(&mut lossy, 0))));
    assert!(outcome.is_err());
    assert_eq!(read_all(&log, &mut lossy, 1), 1);
}

#[test]
fn a_reader_of_another_log_is_refused() {
    let drops = Drops::default();
    assert_panics(|log, _| {
        let (_other, mut reader) = two_segments(&drops);
        drop(log.seek(&mut reader, 0));
    });
    drops.assert_each_once();
    let drops = Drops::default();
    assert_panics(|log, _| {
        let (_other, mut reader) = two_segments(&drops);
        drop(log.unsubscribe(&mut reader));
    });
    drops.assert_each_once();
}

#[test]
fn a_reader_that_was_sent_away_by_another_log_goes_on() {
    let drops = Drops::default();
    let (mut log, mut reader) = two_segments(&drops);
    let mut other = Log::<(), Wide>::new(());
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(other.unsubscribe(&mut reader))));
    assert!(outcome.is_err());
    // It has not been taken beyond what is written.
    reader.advance(0);
    drop(log.release_read());
    assert_eq!(drops.sum(), 0);
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 6);
}

type Call = fn(&Log<(), Wide>, &mut Reader<(), Wide>);

#[test]
fn a_reader_that_unsubscribed_is_lent_nothing() {
    let drops = Drops::default();
    let (mut log, mut reader) = two_segments(&drops);
    drop(log.unsubscribe(&mut reader));
    let wrong: [Call; 4] = [
        |log, reader| drop(log.seek(reader, 5)),
        |_, reader| _ = reader.get_at(0),
        |_, reader| drop(reader.share_at(u64::MAX)),
        |_, reader| reader.advance(1),
    ];
    for wrong in wrong {
        assert!(catch_unwind(AssertUnwindSafe(|| wrong(&log, &mut reader))).is_err());
    }
}

#[test]
fn the_newest_of_nothing_is_not_shared() {
    let log = Log::<(), u64>::new(());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(log.share_newest()))).is_err());
}

#[test]
fn the_newest_is_not_shared_once_it_is_gone() {
    let drops = Drops::default();
    let (mut log, mut reader) = two_segments(&drops);
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 6);
    drop(log.release_read());
    drops.assert_each_once();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(log.share_newest()))).is_err());
    log.append_new(&drops);
    assert_eq!(log.share_newest().number, 6);
}
