//! The log: read without a lock, let go of under it.

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::check;
use crate::local::{
    log::{Log, Reader},
    sync::{Arc, Mutex, lock},
};

type Ticks = Log<(), Counted>;

/// A value that counts its drops.
struct Counted(u64, Drops);

/// Not loom's: looked at only when all threads have ended.
type Drops = std::sync::Arc<AtomicUsize>;

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

fn append(log: &Mutex<Ticks>, value: u64, drops: &Drops) {
    let value = Counted(value, drops.clone());
    let garbage = lock(log).append(value);
    drop(garbage);
}

fn release_read(log: &Mutex<Ticks>) {
    let garbage = lock(log).release_read();
    drop(garbage);
}

/// Reads the next entry, if there is one, which is the one numbered so.
fn read(log: &Mutex<Ticks>, reader: &mut Reader<(), Counted>, keep: u64) -> Option<u64> {
    if !reader.is_ready() {
        return None;
    }
    if reader.is_lost() {
        let garbage = {
            let log = lock(log);
            let at = reader.at().max(log.next().saturating_sub(keep));
            log.seek(reader, at)
        };
        drop(garbage);
        assert!(reader.is_ready());
    }
    let at = reader.at();
    assert_eq!(reader.get_at(at).0, at);
    reader.advance(1);
    Some(at)
}

#[test]
fn what_is_read_was_written_before() {
    check(3, || {
        let drops = Drops::default();
        let log = Arc::new(Mutex::new(Ticks::new(())));
        let mut reader = lock(&log).subscribe(u64::MAX, u64::MAX);
        let writer = thread::spawn({
            let (log, drops) = (Arc::clone(&log), drops.clone());
            move || (0..3).for_each(|value| append(&log, value, &drops))
        });
        for _ in 0..3 {
            read(&log, &mut reader, u64::MAX);
        }
        writer.join().expect("no panic");
        while read(&log, &mut reader, u64::MAX).is_some() {}
        assert_eq!(reader.at(), 3);
        drop((log, reader));
        assert_eq!(drops.load(Ordering::Relaxed), 3);
    });
}

#[test]
fn what_every_reader_has_passed_is_dropped_once_and_not_before() {
    check(3, || {
        let drops = Drops::default();
        let log = Arc::new(Mutex::new(Ticks::new(())));
        let mut reader = lock(&log).subscribe(u64::MAX, u64::MAX);
        (0..2).for_each(|value| append(&log, value, &drops));
        drop(lock(&log).seek(&mut reader, 0));
        let writer = thread::spawn({
            let (log, drops) = (Arc::clone(&log), drops.clone());
            move || {
                release_read(&log);
                (2..5).for_each(|value| append(&log, value, &drops));
                release_read(&log);
            }
        });
        // Both without the lock.
        assert_eq!(read(&log, &mut reader, u64::MAX), Some(0));
        assert_eq!(read(&log, &mut reader, u64::MAX), Some(1));
        writer.join().expect("no panic");
        while read(&log, &mut reader, u64::MAX).is_some() {}
        assert_eq!(reader.at(), 5);
        release_read(&log);
        assert_eq!(drops.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn the_last_owner_drops_an_entry() {
    check(3, || {
        let drops = Drops::default();
        let mut log = Ticks::new(());
        let mut reader = log.subscribe(u64::MAX, u64::MAX);
        drop(log.append(Counted(0, drops.clone())));
        drop(log.seek(&mut reader, 0));
        assert!(reader.is_ready());
        let readers = thread::spawn(move || {
            let shared = reader.share_at(0);
            reader.advance(1);
            let other = thread::spawn({
                let shared = shared.clone();
                move || assert_eq!(shared.0, 0)
            });
            assert_eq!(shared.0, 0);
            drop(shared);
            drop(reader);
            other.join().expect("no panic");
        });
        drop(log.release_read());
        drop(log);
        readers.join().expect("no panic");
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_segment_dropped_as_a_whole_stays_for_a_reader_that_is_on_it() {
    check(3, || {
        let drops = Drops::default();
        let log = Arc::new(Mutex::new(Ticks::new(())));
        let mut lossy = lock(&log).subscribe(1, u64::MAX);
        let mut lossless = lock(&log).subscribe(u64::MAX, u64::MAX);
        (0..2).for_each(|value| append(&log, value, &drops));
        drop(lock(&log).seek(&mut lossy, 0));
        drop(lock(&log).seek(&mut lossless, 0));
        let writer = thread::spawn({
            let (log, drops) = (Arc::clone(&log), drops.clone());
            move || {
                for value in 2..6 {
                    read(&log, &mut lossless, u64::MAX);
                    append(&log, value, &drops);
                }
                while read(&log, &mut lossless, u64::MAX).is_some() {}
                assert_eq!(lossless.at(), 6);
                let garbage = lock(&log).unsubscribe(&mut lossless);
                drop(garbage);
            }
        });
        for _ in 0..4 {
            read(&log, &mut lossy, 1);
        }
        writer.join().expect("no panic");
        while read(&log, &mut lossy, 1).is_some() {}
        assert_eq!(lossy.at(), 6);
        drop((log, lossy));
        assert_eq!(drops.load(Ordering::Relaxed), 6);
    });
}

#[test]
fn an_entry_is_alive_while_a_reader_that_may_lag_is_on_it() {
    check(3, || {
        let drops = Drops::default();
        let log = Arc::new(Mutex::new(Ticks::new(())));
        let mut lossy = lock(&log).subscribe(1, u64::MAX);
        append(&log, 0, &drops);
        drop(lock(&log).seek(&mut lossy, 0));
        assert!(lossy.is_ready());
        let writer = thread::spawn({
            let (log, drops) = (Arc::clone(&log), drops.clone());
            move || {
                (1..4).for_each(|value| append(&log, value, &drops));
                release_read(&log);
            }
        });
        let shared = lossy.share_at(0);
        lossy.advance(1);
        assert_eq!(shared.0, 0);
        drop(shared);
        let garbage = lock(&log).unsubscribe(&mut lossy);
        drop(garbage);
        writer.join().expect("no panic");
        drop(log);
        assert_eq!(drops.load(Ordering::Relaxed), 4);
    });
}
