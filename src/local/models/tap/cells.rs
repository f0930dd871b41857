//! The owners of a segment's outcomes, counted before they are: the last one ends them, once, and nobody before.

use std::sync::Arc;

use loom::thread;

use super::check;
use crate::{
    local::{
        log::{Cell, Log, Margins, Reader},
        sync::{Arc as Tracked, Mutex, lock},
        tap::{Number, Outcomes, Taps},
    },
    observe::{Ledger, Remote},
};

type Ticks = Log<(), u64>;

/// A log with margins, and the ledger, whose owners tell how many of those there are.
fn log() -> (Tracked<Mutex<Ticks>>, Arc<Ledger>) {
    let ledger = Arc::default();
    let taps = Taps::new(1, u64::MAX, &ledger);
    let mut log = Ticks::new(());
    log.give_margins(Margins {
        lane: Number::of(0),
        sequencer: Arc::clone(&taps.sequencer),
        ledger: Arc::clone(&ledger),
        bells: Arc::clone(&taps.bells),
    });
    (Tracked::new(Mutex::new(log)), ledger)
}

fn append(log: &Mutex<Ticks>, value: u64) -> Cell {
    let (garbage, cell) = lock(log).append(value);
    drop(garbage);
    cell.expect("it has margins")
}

fn release_read(log: &Mutex<Ticks>) {
    let garbage = lock(log).release_read();
    drop(garbage);
}

/// Takes the next entry, as the tap does.
fn take(log: &Mutex<Ticks>, reader: &mut Reader<(), u64>) -> Cell {
    assert!(reader.is_ready());
    if reader.is_lost() {
        let garbage = {
            let log = lock(log);
            log.seek(reader, reader.at())
        };
        drop(garbage);
    }
    let at = reader.at();
    assert!(reader.stamp_at(at).is_some());
    let cell = reader.cell_at(at).expect("it has margins");
    assert!(cell.outcomes().take(cell.at()));
    reader.advance(1);
    cell
}

/// Its outcome is there while it is.
fn is_alive(cell: &Cell, told: bool) {
    assert_ne!(cell.outcomes().is_open(cell.at()), told);
}

/// Only the log and the one who asks know the ledger.
fn none_is_left(ledger: &Arc<Ledger>) {
    assert_eq!(Arc::strong_count(ledger), 1);
}

#[test]
fn a_receipt_the_tap_and_the_segment_end_in_any_order() {
    check(5, || {
        let (log, ledger) = log();
        let mut reader = lock(&log).subscribe(u64::MAX, u64::MAX);
        let cell = append(&log, 0);
        let taken = take(&log, &mut reader);
        let receipt = thread::spawn(move || {
            let _ = cell.outcomes().is_open(cell.at());
        });
        let teller = thread::spawn(move || {
            taken.outcomes().tell(taken.at(), Remote::unknown("told"));
        });
        // The segment's second slot was never written.
        drop(reader);
        drop(log);
        receipt.join().expect("no panic");
        teller.join().expect("no panic");
        none_is_left(&ledger);
    });
}

#[test]
fn a_receipt_keeps_the_outcome_of_a_segment_that_is_gone() {
    check(5, || {
        let (log, ledger) = log();
        let mut reader = lock(&log).subscribe(u64::MAX, u64::MAX);
        let cells = [append(&log, 0), append(&log, 1)];
        let tap = thread::spawn({
            let log = Tracked::clone(&log);
            move || {
                for _ in 0..2 {
                    let cell = take(&log, &mut reader);
                    cell.outcomes().tell(cell.at(), Remote::Confirmed);
                }
                release_read(&log);
                drop(reader);
            }
        });
        release_read(&log);
        drop(log);
        let [first, second] = cells;
        drop(second);
        tap.join().expect("no panic");
        is_alive(&first, true);
        drop(first);
        none_is_left(&ledger);
    });
}

#[test]
fn cells_are_handed_out_while_others_of_the_segment_end() {
    check(5, || {
        let (log, ledger) = log();
        let mut reader = lock(&log).subscribe(u64::MAX, u64::MAX);
        let first = append(&log, 0);
        let tap = thread::spawn({
            let log = Tracked::clone(&log);
            move || {
                let cell = take(&log, &mut reader);
                drop(first);
                cell.outcomes().tell(cell.at(), Remote::Confirmed);
                drop(cell);
                release_read(&log);
                reader
            }
        });
        // The next one begins another segment.
        let cells = [append(&log, 1), append(&log, 2)];
        let reader = tap.join().expect("no panic");
        cells.iter().for_each(|cell| is_alive(cell, false));
        drop((reader, log));
        cells.iter().for_each(|cell| is_alive(cell, false));
        drop(cells);
        none_is_left(&ledger);
    });
}

#[test]
fn who_refuses_what_is_left_shares_the_outcomes_with_who_is_told() {
    check(5, || {
        let (log, ledger) = log();
        let cell = {
            let reader = lock(&log).subscribe(u64::MAX, u64::MAX);
            let cell = append(&log, 0);
            drop(reader);
            cell
        };
        let receipt = thread::spawn(move || drop(cell));
        let closer = thread::spawn({
            let log = Tracked::clone(&log);
            move || {
                let cells = lock(&log).outcomes();
                for (cell, count) in cells {
                    assert_eq!(count, 1);
                    let _ = cell.outcomes().is_open(cell.at());
                }
            }
        });
        drop(log);
        receipt.join().expect("no panic");
        closer.join().expect("no panic");
        none_is_left(&ledger);
    });
}

#[test]
fn a_cell_by_itself_ends_with_both_of_its_owners() {
    check(5, || {
        let ledger = Arc::default();
        let cell = Cell::new(Outcomes::new(&ledger, None));
        let other = cell.again();
        let teller = thread::spawn(move || {
            assert!(cell.outcomes().take(cell.at()));
            cell.outcomes().tell(cell.at(), Remote::unknown("told"));
        });
        let _ = other.outcomes().is_open(other.at());
        drop(other);
        teller.join().expect("no panic");
        none_is_left(&ledger);
    });
}
