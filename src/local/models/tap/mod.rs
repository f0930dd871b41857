//! The mirror's way into the lanes: order, bells, outcomes, and the cells of the segments.

mod bells;
mod cells;
mod end;
mod order;
mod outcomes;

use std::{collections::VecDeque, future::poll_fn, sync::Arc};

use loom::thread;
use tokio::time::Instant;

use super::{Tick, block_on, check, origin};
use crate::{
    event::Envelope,
    local::{
        Publication, Refused,
        lane::{Draft, Lane, Tap},
        log::Cell,
        patterns::Patterns,
        tap::{Feed, Merge, Rest, Stamp, Taps},
    },
    observe::{Ledger, Remote},
};

type TickLane = Arc<Lane<Tick>>;

/// What leaves, and who reads it.
struct Way {
    lanes: Vec<TickLane>,
    merge: Merge<Leaving>,
    ledger: Arc<Ledger>,
}

impl Way {
    /// From so many lanes, each of which keeps so many of the latest events for its tap.
    fn new(lanes: usize, keep: u64) -> Self {
        let ledger = Arc::default();
        let taps = Taps::new(lanes, keep, &ledger);
        let open = |index| {
            let patterns = Arc::new(Patterns::new());
            Lane::tapped(
                origin::<Tick>(),
                &patterns,
                &Arc::default(),
                &taps,
                index,
                true,
            )
        };
        let (lanes, taken) = (0..lanes).map(open).unzip::<_, _, Vec<_>, Vec<_>>();
        let feeds = taken.into_iter().map(Leaving::new).collect();
        Self {
            lanes,
            merge: Merge::new(feeds, Arc::clone(&taps.bells)),
            ledger,
        }
    }

    /// The number of the next tick that leaves, and its cell. None at the end.
    fn next(&mut self) -> Option<(u64, Cell)> {
        block_on(poll_fn(|cx| self.merge.poll_next(cx)))
    }

    /// That one, confirmed.
    fn confirm_next(&mut self) -> Option<u64> {
        let (number, cell) = self.next()?;
        cell.outcomes().tell(cell.at(), Remote::Confirmed);
        Some(number)
    }
}

/// What leaves from one lane.
struct Leaving {
    tap: Tap<Tick>,
    seen: u64,
    held: VecDeque<(u64, Stamp, Envelope<Tick>, Cell)>,
}

impl Leaving {
    fn new(tap: Tap<Tick>) -> Self {
        Self {
            tap,
            seen: 0,
            held: VecDeque::new(),
        }
    }
}

impl Feed for Leaving {
    type Item = (u64, Cell);

    fn look(&mut self, _: Instant) -> u64 {
        self.seen = self.tap.look();
        self.seen
    }

    fn next(&mut self, below: u64) -> Option<(u64, Stamp)> {
        match self.held.front() {
            Some((number, stamp, ..)) => Some((*number, *stamp)),
            None => self.tap.next(below),
        }
    }

    fn take(&mut self) -> Option<(u64, Cell)> {
        if let Some((_, _, envelope, cell)) = self.held.pop_front() {
            return Some((envelope.0, cell));
        }
        let taken = self.tap.take();
        let taken = taken.map(|(cell, sealed)| (sealed.event().0, cell));
        self.tap.advance();
        taken
    }

    fn gather(&mut self) {
        while let Some((number, stamp)) = self.tap.next(self.seen) {
            let taken = self.tap.take_out();
            self.tap.advance();
            let held = taken.map(|(cell, envelope)| (number, stamp, envelope, cell));
            self.held.extend(held);
        }
    }

    fn lie_down(&mut self) -> Rest {
        self.tap.lie_down()
    }
}

/// Publishes a tick that is to leave. None: nothing leaves any more.
fn send(lane: &Lane<Tick>, number: u64) -> Option<Cell> {
    let mut tick = Some(Tick(number));
    if let Some(committed) = lane.publish_plain(&mut tick) {
        return committed.cell;
    }
    let event = tick.expect("left where it was");
    let mut publication = Publication::new(lane, Draft { event, full: None });
    match publication.try_now() {
        Ok(committed) => committed.cell,
        Err(refused) => {
            assert_eq!(refused, Refused::Closed);
            None
        }
    }
}

/// Publishes a tick that came from elsewhere.
fn receive(lane: &Lane<Tick>, number: u64) {
    let event = Tick(number);
    let mut publication = Publication::new(lane, Draft { event, full: None }).patient();
    let committed = publication.try_now().expect("nobody is waited for");
    assert!(committed.cell.is_none(), "it does not leave again");
}

/// A thread that publishes these, and keeps what is to be told of them.
fn sender(lane: &TickLane, numbers: std::ops::Range<u64>) -> thread::JoinHandle<Vec<Cell>> {
    let lane = Arc::clone(lane);
    thread::spawn(move || numbers.filter_map(|number| send(&lane, number)).collect())
}

/// The outcome of an event, when it comes.
fn outcome(cell: &Cell) -> Remote {
    block_on(poll_fn(|cx| cell.outcomes().poll(cell.at(), cx)))
}
