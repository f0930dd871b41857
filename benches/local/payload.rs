//! What a peer's channel carries.

use std::{hint::black_box, sync::Arc};

use algedonic::{BusId, Event, Key, Metadata};

use crate::load::Reading;

/// What a peer's channel carries for an event.
pub(crate) trait Payload: Clone + Send + Sync + Unpin + 'static {
    /// What is needed to make one.
    type Maker: Clone + Send + Sync + 'static;

    fn maker() -> Self::Maker;
    fn make(maker: &Self::Maker, number: u64) -> Self;
    fn reading(&self) -> &Reading;
}

/// The bare 64 bytes, by value: nothing is allocated, nobody knows when, whence or which.
impl Payload for Reading {
    type Maker = ();

    fn maker() {}

    fn make((): &(), number: u64) -> Self {
        Self::new(number)
    }

    fn reading(&self) -> &Reading {
        self
    }
}

/// As the bare event, but of another type in each set of contenders.
///
/// So each set has the generic code of a channel for itself. What two sets share is inlined into
/// neither, and async-broadcast for one then takes twice the time.
#[derive(Clone, Copy)]
pub(crate) struct Apart<const SET: usize>(pub(crate) Reading);

impl<const SET: usize> Payload for Apart<SET> {
    type Maker = ();

    fn maker() {}

    fn make((): &(), number: u64) -> Self {
        Self(Reading::new(number))
    }

    fn reading(&self) -> &Reading {
        &self.0
    }
}

/// An event with the metadata that the bus gives it.
pub(crate) struct Sealed {
    metadata: Metadata,
    reading: Reading,
}

/// Makes events with metadata.
#[derive(Clone)]
pub(crate) struct Maker {
    source: Arc<str>,
    origin: BusId,
}

/// With id, time, source, key and correlation, in one `Arc`.
impl Payload for Arc<Sealed> {
    type Maker = Maker;

    fn maker() -> Maker {
        Maker {
            source: "local".into(),
            origin: BusId::new(),
        }
    }

    fn make(maker: &Maker, number: u64) -> Self {
        let name = const { Key::from_static(<Reading as Event>::NAME) };
        let mut metadata = Metadata::new(name, Arc::clone(&maker.source));
        metadata.origin = Some(maker.origin);
        Self::new(Sealed {
            metadata,
            reading: Reading::new(number),
        })
    }

    fn reading(&self) -> &Reading {
        black_box(self.metadata.expires);
        &self.reading
    }
}
