//! The owners of a segment's outcomes: they end once, with the last of them, whoever that is.

use super::{
    super::{Cell, Margins},
    *,
};
use crate::{
    local::tap::{Number, Outcomes, Refusal, Taps},
    observe::{Ledger, Remote},
};

/// A log of four entries to a segment, with margins; and the ledger, whose owners say how many segments have outcomes yet.
fn log() -> (Log<(), Wide>, Arc<Ledger>) {
    let ledger = Arc::default();
    let taps = Taps::new(1, u64::MAX, &ledger);
    let mut log = Log::new(());
    log.give_margins(Margins {
        lane: Number::of(0),
        sequencer: Arc::clone(&taps.sequencer),
        ledger: Arc::clone(&ledger),
        bells: Arc::clone(&taps.bells),
    });
    drop(taps);
    (log, ledger)
}

fn append(log: &mut Log<(), Wide>, drops: &Drops) -> Cell {
    let value = drops.value(log.next());
    let (garbage, cell) = log.append(value);
    drop(garbage);
    cell.expect("it has margins")
}

/// The log's margins know the ledger, and who asks.
const WITH_LOG: usize = 2;

#[test]
fn a_cell_outlives_its_segment_and_a_segment_its_cells() {
    // However many of a segment's slots are written.
    for written in 1..=9 {
        let drops = Drops::default();
        let (mut log, ledger) = log();
        let reader = log.subscribe(u64::MAX, u64::MAX);
        let mut cells: Vec<_> = (0..written).map(|_| append(&mut log, &drops)).collect();
        let segments = usize::div_ceil(written, 4);
        assert_eq!(Arc::strong_count(&ledger), WITH_LOG + segments);
        assert!((0..written).map(|at| at % 4).eq(cells.iter().map(Cell::at)));
        let kept = cells.pop().expect("one at least");
        drop(cells);
        assert_eq!(Arc::strong_count(&ledger), WITH_LOG + segments);
        drop((log, reader));
        assert_eq!(Arc::strong_count(&ledger), 2);
        let again = kept.again();
        drop(kept);
        assert!(again.outcomes().take(again.at()));
        again.outcomes().tell(again.at(), Remote::unknown("told"));
        drop(again);
        assert_eq!(Arc::strong_count(&ledger), 1);
        drops.assert_each_once();
    }
}

#[test]
fn the_reader_s_cell_is_the_one_that_was_handed_out() {
    let drops = Drops::default();
    let (mut log, ledger) = log();
    let mut reader = log.subscribe(u64::MAX, u64::MAX);
    let cells: Vec<_> = (0..6).map(|_| append(&mut log, &drops)).collect();
    for (number, cell) in cells.iter().enumerate() {
        let number = number as u64;
        assert!(reader.is_ready());
        if reader.is_lost() {
            drop(log.seek(&mut reader, number));
        }
        assert!(reader.stamp_at(number).is_some());
        let (outcomes, at) = reader.outcome_at(number).expect("it has margins");
        assert!(outcomes.is_open(at));
        let shared = reader.cell_at(number).expect("it has margins");
        assert!(std::ptr::eq(shared.outcomes(), cell.outcomes()));
        assert_eq!((shared.at(), at), (cell.at(), cell.at()));
        reader.advance(1);
        drop(log.release_read());
    }
    for (cell, count) in log.outcomes() {
        cell.outcomes().refuse(count, Refusal::ShutDown);
    }
    // Those of the first segment are not the log's any more.
    assert_eq!(ledger.counts().local_only, 2);
    drop((log, reader, cells));
    assert_eq!(Arc::strong_count(&ledger), 1);
    drops.assert_each_once();
}

#[test]
fn what_came_from_elsewhere_has_a_slot_but_nobody_is_told() {
    let drops = Drops::default();
    let (mut log, ledger) = log();
    let reader = log.subscribe(u64::MAX, u64::MAX);
    let cell = append(&mut log, &drops);
    for number in 1..3 {
        drop(log.extend());
        log.push_foreign(drops.value(number));
    }
    for (all, count) in log.outcomes() {
        assert_eq!(count, 3);
        assert!(!all.outcomes().take(1));
        all.outcomes().refuse(count, Refusal::ShutDown);
    }
    assert_eq!(ledger.counts().local_only, 1);
    drop((log, reader));
    drop(cell);
    assert_eq!(Arc::strong_count(&ledger), 1);
    drops.assert_each_once();
}

#[test]
fn a_cell_by_itself_ends_with_its_last_owner() {
    let ledger = Arc::default();
    let cell = Cell::new(Outcomes::new(&ledger, None));
    let other = cell.again();
    drop(cell);
    assert!(other.outcomes().take(other.at()));
    assert_eq!(Arc::strong_count(&ledger), 2);
    drop(other);
    assert_eq!(Arc::strong_count(&ledger), 1);
}
