use std::{
    any::TypeId,
    fmt,
    sync::{Arc, Weak},
    time::SystemTime,
};

use super::Return;
use crate::event::AnyEnvelope;

/// An event that a handler could not handle; in [`DeadLetters`](crate::DeadLetters).
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Which letter of its bus this is: a number that grows.
    pub id: LetterId,
    /// The event, with all its metadata.
    pub event: AnyEnvelope,
    /// The name of the event's type: [`Event::NAME`](crate::Event::NAME).
    pub name: &'static str,
    /// The handler: [`HandlerBuilder::named`](crate::HandlerBuilder::named).
    pub handler: Arc<str>,
    /// The handler's group, if it has one.
    pub group: Option<Arc<str>>,
    /// Why, in one word.
    pub kind: DeadLetterKind,
    /// Why: the last error with its sources, or what the panic said. At most 2,048 bytes.
    pub reason: Arc<str>,
    /// How many attempts were made, since the event was published or last redriven; 0 if the
    /// function that gives the order key panicked.
    pub attempts: u32,
    /// When it became a dead letter.
    pub time: SystemTime,
    pub(super) route: Route,
}

/// The way back to the handler that the letter comes from.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) inbox: Weak<dyn Return>,
    pub(super) event_type: TypeId,
}

/// What a handler knows of a letter.
pub(in crate::handler) struct NewLetter {
    pub(in crate::handler) event: AnyEnvelope,
    pub(in crate::handler) name: &'static str,
    pub(in crate::handler) handler: Arc<str>,
    pub(in crate::handler) group: Option<Arc<str>>,
    pub(in crate::handler) kind: DeadLetterKind,
    pub(in crate::handler) reason: Arc<str>,
    pub(in crate::handler) attempts: u32,
    pub(in crate::handler) inbox: Weak<dyn Return>,
    pub(in crate::handler) event_type: TypeId,
}

impl NewLetter {
    pub(super) fn sealed(self, id: LetterId) -> DeadLetter {
        DeadLetter {
            id,
            event: self.event,
            name: self.name,
            handler: self.handler,
            group: self.group,
            kind: self.kind,
            reason: self.reason,
            attempts: self.attempts,
            time: SystemTime::now(),
            route: Route {
                inbox: self.inbox,
                event_type: self.event_type,
            },
        }
    }
}

/// The identity of a [`DeadLetter`] within its bus; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId(pub(super) u64);

/// Why an event became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadLetterKind {
    /// The handler failed with an error that trying again cannot mend.
    Failed,
    /// The handler failed in every attempt that its [`Retry`](crate::Retry) allows.
    Exhausted,
    /// The handler panicked.
    Panicked,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeadLetterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "failed",
            Self::Exhausted => "exhausted",
            Self::Panicked => "panicked",
        })
    }
}

impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("id", &self.id)
            .field("event", &self.event)
            .field("handler", &self.handler)
            .field("group", &self.group)
            .field("kind", &self.kind)
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
