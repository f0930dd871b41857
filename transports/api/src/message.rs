use std::{borrow::Cow, fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;

use crate::{BusId, CorrelationId, EventId, Key};

/// One event as it travels between processes.
#[derive(Clone)]
#[non_exhaustive]
pub struct Message {
    /// Everything about the event but the event.
    pub metadata: Metadata,
    /// The way it takes.
    pub lane: Lane,
    /// The media type of `body`, such as `application/cbor`.
    pub content_type: Cow<'static, str>,
    /// The encoded event.
    pub body: Bytes,
    /// Whether it should survive a restart of whatever stands between the processes.
    pub persistent: bool,
}

impl Message {
    /// A persistent message.
    pub fn new(
        metadata: Metadata,
        lane: Lane,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            metadata,
            lane,
            content_type: content_type.into(),
            body: body.into(),
            persistent: true,
        }
    }
}

impl fmt::Debug for Message {
    /// Without the body, which may hold what does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("metadata", &self.metadata)
            .field("lane", &self.lane)
            .field("content_type", &self.content_type)
            .field("body_bytes", &self.body.len())
            .field("persistent", &self.persistent)
            .finish()
    }
}

/// Everything about an event but the event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// The identity of this instance.
    pub id: EventId,
    /// The stable name of its type, such as `s3.state_change`.
    pub name: Key,
    /// The version of its type; 1 unless the type says otherwise.
    pub version: u32,
    /// The routing key of this instance; by default its name.
    pub key: Key,
    /// Who published it, in words for people: the application or the subsystem.
    pub source: Arc<str>,
    /// The bus that published it, if a bus did: a bus drops what it hears of itself.
    pub origin: Option<BusId>,
    /// When it was published; exact to the microsecond on the wire.
    pub time: SystemTime,
    /// The conversation it belongs to; its own id if it began one.
    pub correlation: CorrelationId,
    /// The event whose handling published it.
    pub causation: Option<EventId>,
    /// The distributed trace it belongs to.
    pub trace: Option<TraceContext>,
    /// How urgent it is.
    pub priority: Priority,
    /// After this moment it is worth nothing, and is not delivered. Exact to the millisecond on the wire.
    pub expires: Option<SystemTime>,
}

impl Metadata {
    /// What is known of an event of this name at the least: a new id, the name as its key, version 1,
    /// published now, the beginning of a conversation of its own.
    pub fn new(name: Key, source: impl Into<Arc<str>>) -> Self {
        let time = SystemTime::now();
        Self::of(EventId::at(time), time, name, source)
    }

    /// As [`new`](Self::new), of an event that has an id and a time.
    pub fn of(id: EventId, time: SystemTime, name: Key, source: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            key: name.clone(),
            name,
            version: 1,
            source: source.into(),
            origin: None,
            time,
            correlation: id.into(),
            causation: None,
            trace: None,
            priority: Priority::NORMAL,
            expires: None,
        }
    }
}

/// The way a message takes. All there are: a transport has to know each.
///
/// No lane waits for another, or is filled by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Ordinary events: each receiver that is interested in the key gets a copy.
    Event,
    /// Algedonic signals: persistent, confirmed, and never behind an event.
    Signal,
    /// Commands: work that is to be done once. The transports that receive under one name are a group,
    /// and exactly one of them gets each command; one that goes away before it has settled it gives it
    /// back to the others. A command waits for a group that is away. It is settled when the work is done,
    /// and a receiver has few of them at a time, so that a slow one does not keep what others could do.
    ///
    /// Nobody's command is [`Outcome::NotRouted`](crate::Outcome::NotRouted): no group has asked for its
    /// key, whoever hears its events. A group that has no room for more refuses it
    /// ([`Outcome::Rejected`](crate::Outcome::Rejected)); none is dropped to make room for another.
    ///
    /// Groups do not know of each other: a key that two of them ask for goes to one member of each. Let
    /// the keys of commands begin with whom they are for (`s4.adjust_policy`), and one group ask for
    /// those.
    ///
    /// Trying again is the receiver's to do, before it settles: there is no settlement that brings a
    /// command back *later*. [`Settlement::Requeue`](crate::Settlement::Requeue) brings it at once.
    Command,
}

impl Lane {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Event, Self::Signal, Self::Command];
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Event => "events",
            Self::Signal => "signals",
            Self::Command => "commands",
        })
    }
}

/// How urgent an event is: 0 to 10, the range of requirement 0.09.
///
/// It is always sent: a quorum queue of RabbitMQ 4.3 or newer ranks a message *without* priority as
/// 4, which is above a low signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// What an ordinary event has: 0.
    pub const NORMAL: Self = Self(0);
    /// The highest: 10.
    pub const MAX: Self = Self(10);

    /// The given priority, or [`MAX`](Self::MAX) if that is less.
    pub const fn new(level: u8) -> Self {
        Self(if level > 10 { 10 } else { level })
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// W3C trace context, carried as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`: version, trace id, parent id and flags.
    pub parent: Arc<str>,
    /// `tracestate`, if there was any.
    pub state: Option<Arc<str>>,
}
