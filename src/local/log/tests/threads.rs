//! With threads: for miri, which looks for data races. What loom shows of all orders is in `local/models`.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{super::Shared, *};

const ENTRIES: u64 = if cfg!(miri) { 10 } else { 2_000 };

/// Appends all, and lets go of what was read now and then.
fn write(log: &Mutex<Log<(), Wide>>, drops: &Drops) {
    for number in 0..ENTRIES {
        let value = drops.value(number);
        let garbage = {
            let mut log = log.lock().expect("no panic");
            let mut garbage = *log.append(value).0.unwrap_or_default();
            if number % 3 == 0 {
                garbage.add(log.release_read());
            }
            garbage
        };
        drop(garbage);
    }
}

/// Reads to the end without the lock, where it has a segment. Gives what it kept.
fn follow(
    log: &Mutex<Log<(), Wide>>,
    mut reader: Reader<(), Wide>,
    keep: u64,
    done: &AtomicBool,
) -> Vec<Shared<(), Wide>> {
    let mut kept = Vec::new();
    loop {
        let last = done.load(Ordering::Acquire);
        if !reader.is_ready() {
            if last {
                break;
            }
            thread::yield_now();
            continue;
        }
        if reader.is_lost() {
            let garbage = {
                let log = log.lock().expect("no panic");
                let at = reader.at().max(log.next().saturating_sub(keep));
                log.seek(&mut reader, at)
            };
            drop(garbage);
            continue;
        }
        let at = reader.at();
        assert_eq!(reader.get_at(at).number, at);
        if at % 4 == 1 {
            kept.push(reader.share_at(at));
        }
        reader.advance(1);
    }
    let garbage = log.lock().expect("no panic").unsubscribe(&mut reader);
    drop(garbage);
    kept
}

#[test]
fn readers_follow_while_a_writer_appends_and_lets_go() {
    let drops = Drops::default();
    let log = Mutex::new(Log::new(()));
    let done = AtomicBool::new(false);
    let keeps = [u64::MAX, 2, 1];
    let readers = keeps.map(|keep| log.lock().expect("no panic").subscribe(keep, u64::MAX));
    let kept: Vec<_> = thread::scope(|scope| {
        let followers: Vec<_> = readers
            .into_iter()
            .zip(keeps)
            .map(|(reader, keep)| {
                let (log, done) = (&log, &done);
                scope.spawn(move || follow(log, reader, keep, done))
            })
            .collect();
        write(&log, &drops);
        done.store(true, Ordering::Release);
        let kept = followers.into_iter().map(thread::ScopedJoinHandle::join);
        kept.map(|kept| kept.expect("no panic")).collect()
    });
    let lossless = (0..ENTRIES).filter(|number| number % 4 == 1);
    assert!(kept[0].iter().map(|shared| shared.number).eq(lossless));
    drop(log);
    for shared in kept.iter().flatten() {
        assert_eq!(drops.of(shared.number), 0);
    }
    drop(kept);
    drops.assert_each_once();
}

#[test]
fn owners_on_many_threads_drop_once() {
    let drops = Drops::default();
    let mut log = Log::<(), Wide>::new(());
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    log.append_new(&drops);
    drop(log.seek(&mut reader, 0));
    assert!(reader.is_ready());
    let shared = reader.share_at(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            let shared = shared.clone();
            scope.spawn(move || assert_eq!(shared.clone().number, 0));
        }
        scope.spawn(move || {
            assert_eq!(reader.get_at(0).number, 0);
            reader.advance(1);
        });
        scope.spawn(move || drop(log.release_read()));
        drop(shared);
    });
    drops.assert_each_once();
}
