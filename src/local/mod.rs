//! Delivery in this process. Knows no serde and no transport.

mod buffer;
#[allow(dead_code, reason = "delivery does not use it yet")]
mod index;
mod lane;
mod pattern;
mod subscriber;
mod subscription;

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use algedonic_transport::Pattern;

pub use self::{
    buffer::{Buffer, Gap, Lag},
    pattern::PatternSubscription,
    subscription::Subscription,
};
pub(crate) use self::{
    lane::{Lane, Reached, both},
    pattern::selects,
    subscription::Receiver,
};
use crate::{
    event::{AnyEnvelope, Envelope},
    observe::Ledger,
};

/// Every lane of events of one bus: one for each type, and one for subscribers of patterns.
#[derive(Debug)]
pub(crate) struct Local {
    types: RwLock<TypeLanes>,
    patterns: Arc<Lane<AnyEnvelope>>,
    ledger: Arc<Ledger>,
}

#[derive(Debug, Default)]
struct TypeLanes {
    lanes: HashMap<TypeId, TypeLane>,
    /// A lane made after the end is made closed.
    closed: bool,
}

struct TypeLane {
    /// An `Arc<Lane<Envelope<E>>>`.
    lane: Arc<dyn Any + Send + Sync>,
    close: Box<dyn Fn() + Send + Sync>,
    unread: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl std::fmt::Debug for TypeLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TypeLane")
    }
}

impl Local {
    pub(crate) fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            types: RwLock::default(),
            patterns: Lane::new(&ledger),
            ledger,
        }
    }

    /// Delivers an event to the subscribers of its type and of patterns that select its key: first
    /// to all that have room, then it waits for the others.
    pub(crate) async fn deliver<E: Send + Sync + 'static>(&self, envelope: Envelope<E>) -> Reached {
        let to_type = self.existing_lane::<E>().map(|lane| lane.offer(&envelope));
        let to_patterns =
            (!self.patterns.is_empty()).then(|| self.patterns.offer(&envelope.erase()));
        drop(envelope);
        both(to_type, to_patterns).await
    }

    /// Events of any type whose key the pattern selects.
    pub(crate) fn subscribe_pattern(
        &self,
        pattern: Pattern,
        buffer: Buffer,
    ) -> Receiver<AnyEnvelope> {
        self.patterns.subscribe(buffer, Some(selects(pattern)))
    }

    fn existing_lane<E: Send + Sync + 'static>(&self) -> Option<Arc<Lane<Envelope<E>>>> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types.lanes.get(&TypeId::of::<E>()).map(TypeLane::downcast)
    }

    /// The lane of a type, made on first use.
    pub(crate) fn lane<E: Send + Sync + 'static>(&self) -> Arc<Lane<Envelope<E>>> {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        let TypeLanes { lanes, closed } = &mut *types;
        let lane = lanes.entry(TypeId::of::<E>()).or_insert_with(|| {
            let lane = Lane::<Envelope<E>>::new(&self.ledger);
            if *closed {
                lane.close();
            }
            TypeLane::new(lane)
        });
        lane.downcast()
    }

    /// Ends every lane of events: subscribers get what is buffered, then the end.
    pub(crate) fn close_events(&self) {
        self.patterns.close();
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        types.closed = true;
        for lane in types.lanes.values() {
            (lane.close)();
        }
    }

    /// How many events wait in buffers, unread.
    pub(crate) fn unread(&self) -> u64 {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        types
            .lanes
            .values()
            .map(|lane| (lane.unread)())
            .sum::<u64>()
            + self.patterns.unread()
    }
}

impl TypeLane {
    fn new<E: Send + Sync + 'static>(lane: Arc<Lane<Envelope<E>>>) -> Self {
        let (closing, counting) = (Arc::clone(&lane), Arc::clone(&lane));
        Self {
            lane,
            close: Box::new(move || closing.close()),
            unread: Box::new(move || counting.unread()),
        }
    }

    fn downcast<E: Send + Sync + 'static>(&self) -> Arc<Lane<Envelope<E>>> {
        Arc::clone(&self.lane)
            .downcast()
            .expect("the map's key is the type of the lane")
    }
}
