//! Delivery in this process. Knows no serde and no transport.

mod borrowed;
mod buffer;
mod gate;
mod inbox;
mod index;
mod lane;
mod lanes;
mod log;
#[cfg(all(test, algedonic_loom))]
mod models;
mod patterns;
mod sleepers;
mod subscription;
mod sync;
mod tap;
mod waiters;

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use algedonic_transport::{BusId, Key, Metadata, Pattern};
use tokio::time::{Instant, timeout_at};

pub use self::{
    borrowed::{Batch, EventRef},
    buffer::{Buffer, Gap, Lag},
    subscription::Subscription,
};
pub(crate) use self::{
    gate::{Gate, Inside},
    lane::{Committed, Draft, Lane, Publication, Refused, Supply, Tap},
    log::{Cell, Shared},
    patterns::PatternInbox,
    tap::{Feed, Merge, Outcomes, Rest, Stamp, Taps},
};
use self::{lane::AnyLane, lanes::Lanes, patterns::Patterns};
use crate::{
    event::{Event, Origin},
    observe::{Books, Settled},
};

/// Every lane of events of one bus: one for each type, and the subscribers of patterns.
pub(crate) struct Local {
    source: Arc<str>,
    bus: BusId,
    lanes: Lanes,
    /// Held to add a lane.
    stage: Mutex<Stage>,
    patterns: Arc<Patterns>,
    gate: Arc<Gate>,
}

/// How far a shutdown has come: so begins a lane that is made later.
#[derive(Default)]
struct Stage {
    draining: bool,
    closed: bool,
}

impl Local {
    pub(crate) fn new(source: Arc<str>, bus: BusId) -> Self {
        Self {
            source,
            bus,
            lanes: Lanes::default(),
            stage: Mutex::default(),
            patterns: Arc::new(Patterns::new()),
            gate: Arc::default(),
        }
    }

    /// The lane of a type, made on first use.
    #[inline]
    pub(crate) fn lane<E: Event>(&self) -> &Arc<Lane<E>> {
        self.lanes.get().unwrap_or_else(|| self.make_lane())
    }

    #[cold]
    fn make_lane<E: Event>(&self) -> &Arc<Lane<E>> {
        let stage = self.stage();
        // Another may have been faster.
        if self.lanes.get::<E>().is_none() {
            let lane = Lane::<E>::new(self.origin::<E>(), &self.patterns, &self.gate);
            if stage.draining {
                lane.drain();
            }
            if stage.closed {
                lane.close();
            }
            self.lanes.add(lane);
        }
        self.lanes.get().expect("just added")
    }

    fn origin<E: Event>(&self) -> Origin {
        Origin {
            name: const { Key::from_static(E::NAME) },
            version: E::VERSION,
            source: Arc::clone(&self.source),
            bus: self.bus,
        }
    }

    /// Makes a lane from which events leave this process. `index` is its place among the taps; `named` says that the type's
    /// name is a key of the type.
    ///
    /// # Panics
    ///
    /// When the type has a lane: its events were not meant to leave.
    pub(crate) fn tap<E: Event>(&self, taps: &Taps, index: usize, named: bool) -> Tap<E> {
        let _stage = self.stage();
        assert!(self.lanes.get::<E>().is_none(), "tapped before it is used");
        let origin = self.origin::<E>();
        let (lane, tap) = Lane::tapped(origin, &self.patterns, &self.gate, taps, index, named);
        self.lanes.add(lane);
        tap
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events of one type, published from now on; first the last ones, if that is wanted.
    pub(crate) fn subscribe<E: Event>(&self, buffer: Buffer, retained: bool) -> Subscription<E> {
        Subscription::new(Arc::clone(self.lane::<E>()), buffer, retained, None)
    }

    /// As [`subscribe`](Self::subscribe), for handlers, which settle what they take.
    pub(crate) fn subscribe_handler<E: Event>(
        &self,
        buffer: Buffer,
        settled: Arc<Settled>,
    ) -> Subscription<E> {
        Subscription::new(Arc::clone(self.lane::<E>()), buffer, false, Some(settled))
    }

    /// Delivers an event that another process published. Waits for everybody who would have a
    /// publisher wait or fail. After the end it reaches nobody.
    pub(crate) async fn deliver<E: Event>(&self, metadata: Metadata, event: E) {
        let lane = self.lane::<E>();
        let full = Some(Box::new(metadata));
        let mut publication = Publication::new(lane, Draft { event, full }).patient();
        let _ = poll_fn(|cx| publication.poll(Some(cx))).await;
    }

    /// Events of any type whose key the pattern selects.
    pub(crate) fn subscribe_pattern(&self, pattern: &Pattern, buffer: Buffer) -> PatternInbox {
        self.patterns.subscribe(pattern, buffer)
    }

    /// Takes no new event. Those that wait for room are waited for.
    pub(crate) async fn drain(&self, deadline: Instant) {
        {
            let mut stage = self.stage();
            stage.draining = true;
            self.lanes.all().into_iter().for_each(AnyLane::drain);
        }
        self.gate.close();
        let _ = timeout_at(deadline, self.gate.empty()).await;
    }

    /// Ends every lane: subscribers get what is buffered, then the end.
    pub(crate) fn close(&self) {
        self.stage().closed = true;
        // One that is added from here on begins closed.
        self.lanes.all().into_iter().for_each(AnyLane::close);
        // After the lanes: who waits here then finds its lane closed.
        self.patterns.close();
    }

    /// How many events wait in buffers, unread.
    pub(crate) fn unread(&self) -> u64 {
        let lanes = self.lanes.all();
        lanes.iter().map(|lane| lane.unread()).sum::<u64>() + self.patterns.unread()
    }

    /// How many events were to leave this process.
    pub(crate) fn mirrored(&self) -> u64 {
        let lanes = self.lanes.all();
        lanes.iter().map(|lane| lane.mirrored()).sum()
    }

    pub(crate) fn books(&self) -> Books {
        let lanes = self.lanes.all();
        let mut books = Books::default();
        let used = lanes.iter().filter(|lane| lane.is_used());
        books.types = used.map(|lane| lane.books()).collect();
        books.types.sort_by(|one, other| one.name.cmp(&other.name));
        (books.patterns, books.departed_patterns) = self.patterns.books();
        books
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.gate.is_closed()
    }
}
