//! The mirror's way into the lanes: order, bells, outcomes, and the cells of the segments.

mod bells;
mod cells;
mod end;
mod order;
mod outcomes;

use std::{future::poll_fn, ops::Range, sync::Arc};

use loom::thread;

use super::{Tick, block_on, check};
use crate::{
    local::{
        lane::Lane,
        log::Cell,
        tap::fixture::{Way, receive, send},
    },
    observe::Remote,
};

/// The number of the next tick that leaves, confirmed. None at the end.
fn confirm_next(way: &mut Way) -> Option<u64> {
    block_on(poll_fn(|cx| way.poll_confirm(cx)))
}

/// A thread that publishes these, and keeps their cells.
fn sender(lane: &Arc<Lane<Tick>>, numbers: Range<u64>) -> thread::JoinHandle<Vec<Cell>> {
    let lane = Arc::clone(lane);
    thread::spawn(move || numbers.filter_map(|number| send(&lane, number)).collect())
}

/// The outcome of an event, when it comes.
fn outcome(cell: &Cell) -> Remote {
    block_on(poll_fn(|cx| cell.outcomes().poll(cell.at(), cx)))
}
