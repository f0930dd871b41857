//! Delivery in this process. Knows no serde and no transport.

mod borrowed;
mod buffer;
mod gate;
mod inbox;
mod index;
mod lane;
mod log;
#[cfg(all(test, algedonic_loom))]
mod models;
mod patterns;
mod sleepers;
mod subscription;
mod sync;
mod waiters;

use std::{
    any::TypeId,
    collections::HashMap,
    future::poll_fn,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, PoisonError, RwLock},
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
    lane::{Committed, Draft, Lane, Publication, Refused},
    log::Shared,
    patterns::PatternInbox,
};
use self::{lane::AnyLane, patterns::Patterns};
use crate::{
    event::{Event, Origin},
    observe::{Books, Settled},
};

/// Every lane of events of one bus: one for each type, and the subscribers of patterns.
pub(crate) struct Local {
    source: Arc<str>,
    bus: BusId,
    types: RwLock<Types>,
    patterns: Arc<Patterns>,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Types {
    lanes: HashMap<TypeId, Arc<dyn AnyLane>, BuildHasherDefault<AsItIs>>,
    /// A lane made later is made so.
    draining: bool,
    closed: bool,
}

/// A `TypeId` is a good hash already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = part;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

impl Local {
    pub(crate) fn new(source: Arc<str>, bus: BusId) -> Self {
        Self {
            source,
            bus,
            types: RwLock::default(),
            patterns: Arc::new(Patterns::new()),
            gate: Arc::default(),
        }
    }

    /// The lane of a type, made on first use.
    #[inline]
    pub(crate) fn lane<E: Event>(&self) -> Arc<Lane<E>> {
        let known = {
            let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
            types.lanes.get(&TypeId::of::<E>()).cloned()
        };
        downcast(known.unwrap_or_else(|| self.make_lane::<E>()))
    }

    #[cold]
    fn make_lane<E: Event>(&self) -> Arc<dyn AnyLane> {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        let Types {
            lanes,
            draining,
            closed,
        } = &mut *types;
        let lane = lanes.entry(TypeId::of::<E>()).or_insert_with(|| {
            let origin = Origin {
                name: const { Key::from_static(E::NAME) },
                version: E::VERSION,
                source: Arc::clone(&self.source),
                bus: self.bus,
            };
            let lane = Lane::<E>::new(origin, &self.patterns, &self.gate);
            if *draining {
                lane.drain();
            }
            if *closed {
                lane.close();
            }
            lane
        });
        Arc::clone(lane)
    }

    /// Events of one type, published from now on; first the last ones, if that is wanted.
    pub(crate) fn subscribe<E: Event>(&self, buffer: Buffer, retained: bool) -> Subscription<E> {
        Subscription::new(self.lane::<E>(), buffer, retained, None)
    }

    /// As [`subscribe`](Self::subscribe), for handlers, which settle what they take.
    pub(crate) fn subscribe_handler<E: Event>(
        &self,
        buffer: Buffer,
        settled: Arc<Settled>,
    ) -> Subscription<E> {
        Subscription::new(self.lane::<E>(), buffer, false, Some(settled))
    }

    /// Delivers an event that another process published. Waits for everybody who would have a
    /// publisher wait or fail. After the end it reaches nobody.
    pub(crate) async fn deliver<E: Event>(&self, metadata: Metadata, event: E) {
        let lane = self.lane::<E>();
        let full = Some(Box::new(metadata));
        let mut publication = Publication::new(&lane, Draft { event, full }).patient();
        let _ = poll_fn(|cx| publication.poll(Some(cx))).await;
    }

    /// Events of any type whose key the pattern selects.
    pub(crate) fn subscribe_pattern(&self, pattern: &Pattern, buffer: Buffer) -> PatternInbox {
        self.patterns.subscribe(pattern, buffer)
    }

    /// Takes no new event. Those that wait for room are waited for.
    pub(crate) async fn drain(&self, deadline: Instant) {
        {
            let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
            types.draining = true;
            types.lanes.values().for_each(|lane| lane.drain());
        }
        self.gate.close();
        let _ = timeout_at(deadline, self.gate.empty()).await;
    }

    /// Ends every lane: subscribers get what is buffered, then the end.
    pub(crate) fn close(&self) {
        let lanes: Vec<_> = {
            let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
            types.closed = true;
            types.lanes.values().cloned().collect()
        };
        for lane in lanes {
            lane.close();
        }
        // After the lanes: who waits here then finds its lane closed.
        self.patterns.close();
    }

    /// How many events wait in buffers, unread.
    pub(crate) fn unread(&self) -> u64 {
        let lanes = self.lanes();
        lanes.iter().map(|lane| lane.unread()).sum::<u64>() + self.patterns.unread()
    }

    fn lanes(&self) -> Vec<Arc<dyn AnyLane>> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types.lanes.values().cloned().collect()
    }

    pub(crate) fn books(&self) -> Books {
        let lanes = self.lanes();
        let mut books = Books::default();
        books.types = lanes.iter().map(|lane| lane.books()).collect();
        books.types.sort_by(|one, other| one.name.cmp(&other.name));
        (books.patterns, books.departed_patterns) = self.patterns.books();
        books
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.gate.is_closed()
    }
}

fn downcast<E: Event>(lane: Arc<dyn AnyLane>) -> Arc<Lane<E>> {
    let lane = lane.as_any().downcast();
    lane.expect("the map's key is the type of the lane")
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Local")
    }
}
