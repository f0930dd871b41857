use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::Arc,
    time::{Duration, SystemTime},
};

use algedonic_transport::{BusId, EventId, Key, Metadata};

use super::Cause;
use crate::local::Shared;

/// An event with its metadata; derefs to the event. Cloning it copies a pointer.
pub struct Envelope<E>(Shared<Arc<Origin>, Sealed<E>>);

/// What the events of one type, published by one bus, have in common.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) name: Key,
    pub(crate) version: u32,
    pub(crate) source: Arc<str>,
    pub(crate) bus: BusId,
}

/// An event, and what tells it from others: as small as can be, for there are many side by side.
pub(crate) struct Sealed<E> {
    /// In bytes: as a number it would be aligned to 16 of them.
    id: [u8; 16],
    /// Since the Unix epoch; until the year 2554.
    nanos: u64,
    /// All of the metadata, unless everything else follows from the origin.
    full: Option<Box<Metadata>>,
    event: E,
}

impl<E> Sealed<E> {
    pub(crate) fn with(metadata: Metadata, event: E) -> Self {
        Self::new(metadata.id, 0, Some(Box::new(metadata)), event)
    }

    /// An event of this id, published so many nanoseconds after the Unix epoch, unless its metadata say
    /// otherwise.
    #[inline]
    pub(crate) fn new(id: EventId, nanos: u64, full: Option<Box<Metadata>>, event: E) -> Self {
        Self {
            id: id.as_u128().to_ne_bytes(),
            nanos,
            full,
            event,
        }
    }

    #[inline]
    pub(crate) fn event(&self) -> &E {
        &self.event
    }

    #[inline]
    pub(crate) fn id(&self) -> EventId {
        EventId::from_u128(u128::from_ne_bytes(self.id))
    }

    pub(crate) fn time(&self) -> SystemTime {
        match &self.full {
            None => SystemTime::UNIX_EPOCH + Duration::from_nanos(self.nanos),
            Some(metadata) => metadata.time,
        }
    }

    /// Whether its time can ever be over.
    #[inline]
    pub(crate) fn may_expire(&self) -> bool {
        self.full.is_some()
    }

    #[inline]
    pub(crate) fn has_expired(&self) -> bool {
        match &self.full {
            None => false,
            Some(metadata) => metadata.expires.is_some_and(|end| end <= SystemTime::now()),
        }
    }

    pub(crate) fn key<'a>(&'a self, origin: &'a Origin) -> &'a Key {
        self.full.as_ref().map_or(&origin.name, |full| &full.key)
    }

    pub(crate) fn metadata(&self, origin: &Origin) -> Metadata {
        match &self.full {
            Some(metadata) => (**metadata).clone(),
            None => origin.metadata(self.id(), self.time()),
        }
    }
}

impl Origin {
    /// The metadata of an event about which nothing else was said.
    pub(crate) fn metadata(&self, id: EventId, time: SystemTime) -> Metadata {
        let mut metadata = Metadata::of(id, time, self.name.clone(), Arc::clone(&self.source));
        metadata.version = self.version;
        metadata.origin = Some(self.bus);
        metadata
    }
}

impl<E> Envelope<E> {
    pub(crate) fn new(origin: Arc<Origin>, sealed: Sealed<E>) -> Self {
        Self(Shared::new(origin, sealed))
    }

    pub(crate) fn shared(shared: Shared<Arc<Origin>, Sealed<E>>) -> Self {
        Self(shared)
    }

    pub(crate) fn sealed(&self) -> &Sealed<E> {
        &self.0
    }

    pub(crate) fn origin(&self) -> &Origin {
        self.0.header()
    }

    /// Everything about the event but the event.
    pub fn metadata(&self) -> Metadata {
        self.0.metadata(self.origin())
    }

    /// The identity of this instance.
    pub fn id(&self) -> EventId {
        self.0.id()
    }

    /// When it was published, by the system's clock: to some 10 µs.
    pub fn time(&self) -> SystemTime {
        self.0.time()
    }

    /// The routing key of this instance.
    pub fn key(&self) -> &Key {
        self.0.key(self.origin())
    }

    /// What an event has to carry that is published because of this one.
    pub fn cause(&self) -> Cause {
        Cause::of(&self.metadata())
    }
}

impl<E: Send + Sync + 'static> Envelope<E> {
    /// The same envelope, its type known at run time only.
    pub(crate) fn erase(&self) -> AnyEnvelope {
        AnyEnvelope(Arc::new(self.clone()))
    }
}

impl<E> Clone for Envelope<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> Deref for Envelope<E> {
    type Target = E;
    fn deref(&self) -> &E {
        &self.0.event
    }
}

impl<E: fmt::Debug> fmt::Debug for Envelope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("metadata", &self.metadata())
            .field("event", &**self)
            .finish()
    }
}

/// An event of any type, with its metadata: what a pattern subscription receives.
#[derive(Clone)]
pub struct AnyEnvelope(Arc<dyn Erased>);

trait Erased: Any + Send + Sync {
    fn metadata(&self) -> Metadata;
    fn id(&self) -> EventId;
    fn time(&self) -> SystemTime;
    fn key(&self) -> &Key;
    fn has_expired(&self) -> bool;
    fn as_any(&self) -> &dyn Any;
}

impl<E: Send + Sync + 'static> Erased for Envelope<E> {
    fn metadata(&self) -> Metadata {
        self.metadata()
    }

    fn id(&self) -> EventId {
        self.id()
    }

    fn time(&self) -> SystemTime {
        self.time()
    }

    fn key(&self) -> &Key {
        self.key()
    }

    fn has_expired(&self) -> bool {
        self.sealed().has_expired()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl AnyEnvelope {
    /// Everything about the event but the event.
    pub fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    /// The identity of this instance.
    pub fn id(&self) -> EventId {
        self.0.id()
    }

    /// When it was published, by the system's clock: to some 10 µs.
    pub fn time(&self) -> SystemTime {
        self.0.time()
    }

    /// The routing key of this instance.
    pub fn key(&self) -> &Key {
        self.0.key()
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.0.has_expired()
    }

    /// The event, if it is an `E`.
    ///
    /// For an algedonic signal ask for [`Signal`](crate::Signal).
    pub fn downcast<E: Send + Sync + 'static>(&self) -> Option<Envelope<E>> {
        self.0.as_any().downcast_ref::<Envelope<E>>().cloned()
    }

    /// What an event has to carry that is published because of this one.
    pub fn cause(&self) -> Cause {
        Cause::of(&self.metadata())
    }
}

impl fmt::Debug for AnyEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEnvelope")
            .field("metadata", &self.metadata())
            .finish_non_exhaustive()
    }
}
