//! What is read, and where.

use super::{super::segment_len, *};

#[test]
fn a_reader_gets_what_is_appended_after_it_came() {
    let mut log = Log::new(());
    drop(log.append(0));
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    assert!(!reader.is_ready() && reader.is_lost());
    assert_eq!((reader.at(), reader.lag(), reader.run()), (1, 0, 0));
    for number in 1..4 {
        drop(log.append(number));
    }
    assert_eq!(reader.lag(), 3);
    assert!(reader.is_ready());
    drop(log.seek(&mut reader, 1));
    assert_eq!(reader.run(), 3);
    assert_eq!([1, 2, 3].map(|at| *reader.get_at(at)), [1, 2, 3]);
    reader.advance(2);
    assert_eq!((reader.at(), reader.mark().at(), reader.run()), (3, 3, 1));
    assert_eq!(*reader.get_at(3), 3);
    assert_eq!(log.readers(), 1);
}

#[test]
fn a_run_ends_with_the_segment() {
    let mut log = Log::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    let len = segment_len::<u64>() as u64;
    for number in 0..=len {
        drop(log.append(number));
    }
    drop(log.seek(&mut reader, 0));
    assert_eq!(reader.run(), 0, "not looked yet");
    assert!(reader.is_ready());
    assert_eq!(reader.run(), len);
    reader.advance(len);
    assert!(reader.is_ready() && reader.is_lost());
    assert_eq!(reader.run(), 0);
    drop(log.seek(&mut reader, len));
    assert_eq!(*reader.get_at(len), len);
}

#[test]
fn every_entry_is_read_over_many_segments() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut readers = [1, 5].map(|pace| (pace, log.subscribe(u64::MAX, u64::MAX)));
    let mut counts = [0, 0];
    for number in 1..=20 {
        log.append_new(&drops);
        for ((pace, reader), count) in readers.iter_mut().zip(&mut counts) {
            if number % *pace == 0 {
                *count += read_all(&log, reader, u64::MAX);
            }
        }
    }
    assert_eq!(counts, [20, 20]);
}

#[test]
fn events_of_no_size_are_each_read() {
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Nothing;
    let mut log = Log::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    for _ in 0..70 {
        drop(log.append(Nothing));
    }
    let mut count = 0;
    while read(&log, &mut reader, u64::MAX, |_, value| {
        assert_eq!(*value, Nothing);
    })
    .is_some()
    {
        count += 1;
    }
    assert_eq!(count, 70);
    drop(log.append(Nothing));
    assert_eq!(*log.share_newest(), Nothing);
}

#[test]
fn a_large_event_has_a_segment_of_its_own() {
    type Large = Value<1100>;
    assert_eq!(segment_len::<Large>(), 1);
    let drops = Drops::default();
    let mut log = Log::<(), Large>::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    let mut lossy = log.subscribe(1, u64::MAX);
    for _ in 0..5 {
        log.append_new(&drops);
    }
    assert_eq!(read_all(&log, &mut reader, u64::MAX), 5);
    assert_eq!(read_all(&log, &mut lossy, 1), 1);
    drop(log.release_read());
    assert_eq!(drops.sum(), 5);
}

#[test]
fn the_log_is_full_where_a_reader_has_no_room() {
    let mut log = Log::new(());
    assert_eq!(log.limit(), u64::MAX);
    let mut reader = log.subscribe(u64::MAX, 3);
    let mut lossy = log.subscribe(2, u64::MAX);
    assert_eq!(log.limit(), 3);
    for number in 0..3 {
        drop(log.append(number));
    }
    drop(log.seek(&mut reader, 0));
    assert!(reader.is_ready());
    reader.advance(2);
    assert_eq!(log.limit(), 5);
    drop(log.unsubscribe(&mut reader));
    assert_eq!(log.limit(), u64::MAX);
    drop(log.unsubscribe(&mut lossy));
    assert_eq!(log.readers(), 0);
}

#[test]
fn a_header_is_what_all_entries_share() {
    let mut log = Log::new(Arc::<str>::from("header"));
    drop(log.append(1));
    let shared = log.share_newest();
    assert_eq!((&**shared.header(), *shared), ("header", 1));
    let alone = super::super::Shared::new("alone", 2);
    assert_eq!((*alone.header(), *alone.clone()), ("alone", 2));
}

#[test]
fn a_lossy_reader_reads_on_in_a_segment_that_the_log_has_dropped() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut lossy = log.subscribe(2, u64::MAX);
    log.append_new(&drops);
    drop(log.seek(&mut lossy, 0));
    for _ in 0..20 {
        log.append_new(&drops);
    }
    // Its segment it has, then only the last two.
    let mut numbers = Vec::new();
    while let Some(number) = read(&log, &mut lossy, 2, |_, value| value.number) {
        numbers.push(number);
    }
    assert_eq!(numbers, [0, 1, 2, 3, 19, 20]);
    drop(log);
    drop(lossy);
    drops.assert_each_once();
}

#[test]
fn who_unsubscribed_reads_nothing_more() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    log.append_new(&drops);
    drop(log.seek(&mut reader, 0));
    assert!(reader.is_ready());
    drop(log.unsubscribe(&mut reader));
    assert!(!reader.is_ready() && reader.is_lost());
    assert_eq!((reader.run(), reader.lag()), (0, 0));
    log.append_new(&drops);
    assert!(!reader.is_ready());
    // Nothing happens, twice.
    drop(log.unsubscribe(&mut reader));
    reader.advance(0);
    log.append_new(&drops);
    drop(log.release_read());
    drop(log);
    drops.assert_each_once();
}
