use std::{any::Any, fmt, ops::Deref, sync::Arc};

use algedonic_transport::{EventId, Key, Metadata};

use super::Cause;

/// An event with its [`Metadata`]; derefs to the event. Cloning it copies a pointer.
pub struct Envelope<E>(Arc<Sealed<E>>);

struct Sealed<E> {
    metadata: Metadata,
    event: E,
}

impl<E> Envelope<E> {
    pub(crate) fn new(metadata: Metadata, event: E) -> Self {
        Self(Arc::new(Sealed { metadata, event }))
    }

    /// Everything about the event but the event.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The identity of this instance.
    pub fn id(&self) -> EventId {
        self.0.metadata.id
    }

    /// The routing key of this instance.
    pub fn key(&self) -> &Key {
        &self.0.metadata.key
    }

    /// What an event has to carry that is published because of this one.
    pub fn cause(&self) -> Cause {
        Cause::of(self.metadata())
    }
}

impl<E: Send + Sync + 'static> Envelope<E> {
    /// The same envelope, its type known at run time only.
    pub(crate) fn erase(&self) -> AnyEnvelope {
        AnyEnvelope(Arc::clone(&self.0) as Arc<dyn Erased>)
    }
}

impl<E> Clone for Envelope<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
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
            .field("metadata", self.metadata())
            .field("event", &**self)
            .finish()
    }
}

/// An event of any type, with its [`Metadata`]: what a pattern subscription receives.
#[derive(Clone)]
pub struct AnyEnvelope(Arc<dyn Erased>);

trait Erased: Any + Send + Sync {
    fn metadata(&self) -> &Metadata;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<E: Send + Sync + 'static> Erased for Sealed<E> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl AnyEnvelope {
    /// Everything about the event but the event.
    pub fn metadata(&self) -> &Metadata {
        self.0.metadata()
    }

    /// The identity of this instance.
    pub fn id(&self) -> EventId {
        self.metadata().id
    }

    /// The routing key of this instance.
    pub fn key(&self) -> &Key {
        &self.metadata().key
    }

    /// The event, if it is an `E`.
    ///
    /// For an algedonic signal ask for [`Signal`](crate::Signal).
    pub fn downcast<E: Send + Sync + 'static>(&self) -> Option<Envelope<E>> {
        Arc::clone(&self.0).into_any().downcast().ok().map(Envelope)
    }

    /// What an event has to carry that is published because of this one.
    pub fn cause(&self) -> Cause {
        Cause::of(self.metadata())
    }
}

impl fmt::Debug for AnyEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyEnvelope")
            .field("metadata", self.metadata())
            .finish_non_exhaustive()
    }
}
