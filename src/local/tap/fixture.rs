//! What the tests and the models of the tap have in common: lanes whose ticks leave, and who reads them.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use algedonic_transport::{BusId, Key};
use tokio::time::Instant;

use super::{Feed, Merge, Rest, Stamp, Taps};
use crate::{
    event::{Envelope, Event, Origin},
    local::{
        Publication, Refused,
        lane::{Draft, Lane, Tap},
        log::Cell,
        patterns::Patterns,
    },
    observe::{Ledger, LocalOnly, Remote},
};

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tick(pub(crate) u64);

impl Event for Tick {
    const NAME: &'static str = "tick";
}

pub(crate) fn origin<E: Event>() -> Origin {
    Origin {
        name: const { Key::from_static(E::NAME) },
        version: E::VERSION,
        source: "test".into(),
        bus: BusId::new(),
    }
}

/// What leaves, and who reads it.
pub(crate) struct Way {
    pub(crate) lanes: Vec<Arc<Lane<Tick>>>,
    pub(crate) merge: Merge<Leaving>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Way {
    /// From so many lanes, each of which keeps so many of the latest events for its tap.
    pub(crate) fn new(lanes: usize, keep: u64) -> Self {
        let ledger = Arc::default();
        let taps = Taps::new(lanes, keep, &ledger);
        let open = |index| {
            let (patterns, gate) = (Arc::new(Patterns::new()), Arc::default());
            Lane::tapped(origin::<Tick>(), &patterns, &gate, &taps, index, true)
        };
        let (lanes, opened) = (0..lanes).map(open).unzip::<_, _, Vec<_>, Vec<_>>();
        let feeds = opened.into_iter().map(Leaving::new).collect();
        Self {
            lanes,
            merge: Merge::new(feeds, Arc::clone(&taps.bells)),
            ledger,
        }
    }

    /// The next tick that leaves, confirmed: its number. None at the end.
    pub(crate) fn poll_confirm(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        self.merge.poll_next(cx).map(|next| {
            let (number, cell) = next?;
            cell.outcomes().tell(cell.at(), Remote::Confirmed);
            Some(number)
        })
    }
}

/// What leaves from one lane.
pub(crate) struct Leaving {
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

/// As the mirror has it: whoever has taken an event tells its outcome, also when it goes.
impl Drop for Leaving {
    fn drop(&mut self) {
        for (_, _, _, cell) in self.held.drain(..) {
            let stays = Remote::LocalOnly(LocalOnly::ShutDown);
            cell.outcomes().tell(cell.at(), stays);
        }
    }
}

/// Publishes a tick that is to leave. None: nothing leaves any more.
pub(crate) fn send(lane: &Lane<Tick>, number: u64) -> Option<Cell> {
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
pub(crate) fn receive(lane: &Lane<Tick>, number: u64) {
    let event = Tick(number);
    let mut publication = Publication::new(lane, Draft { event, full: None }).patient();
    let committed = publication.try_now().expect("nobody is waited for");
    assert!(committed.cell.is_none(), "it does not leave again");
}
