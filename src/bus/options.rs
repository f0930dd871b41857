use std::time::Duration;

use algedonic_transport::{CorrelationId, Metadata, Priority, TraceContext};

use crate::event::Cause;

/// What one publish may say beyond the event. All of it is optional.
///
/// ```
/// # use std::time::Duration;
/// # use algedonic::{PublishOptions, Priority};
/// let options = PublishOptions::new().ttl(Duration::from_secs(5)).priority(Priority::new(3));
/// ```
#[derive(Clone, Debug, Default)]
pub struct PublishOptions {
    ttl: Option<Duration>,
    priority: Priority,
    correlation: Option<CorrelationId>,
    cause: Option<Cause>,
    trace: Option<TraceContext>,
}

impl PublishOptions {
    /// Nothing said.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the event is worth anything; without it, for ever. One that comes later is not
    /// delivered, and is counted ([`Counts::expired`](crate::Counts::expired)).
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The message priority towards other processes; [`Priority::NORMAL`] without it. There an event may
    /// overtake those of a lower priority: RabbitMQ 4 does so on quorum queues, for those above 4.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The conversation; without it the cause's, and without a cause the event's own id.
    pub fn correlation(mut self, id: CorrelationId) -> Self {
        self.correlation = Some(id);
        self
    }

    /// Why the event is published; without it [`Cause::current`].
    pub fn cause(mut self, cause: Cause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// The distributed trace; without it the cause's.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(trace);
        self
    }

    /// What is said where nothing else was; the cause is that of now, if there is one. None if nothing
    /// is said in the end.
    pub(super) fn fixed(options: Option<Self>, current: Option<Cause>) -> Option<Self> {
        let Some(current) = current else {
            return options;
        };
        let mut options = options.unwrap_or_default();
        options.cause.get_or_insert(current);
        Some(options)
    }

    /// Writes down what was said, and what follows from the cause.
    pub(super) fn complete(self, metadata: &mut Metadata, current: Option<Cause>) {
        let cause = self.cause.or(current);
        let inherited = cause.as_ref();
        let correlation = self
            .correlation
            .or_else(|| inherited.map(|cause| cause.correlation().clone()));
        if let Some(id) = correlation {
            metadata.correlation = id;
        }
        metadata.causation = inherited.map(Cause::id);
        metadata.trace = self
            .trace
            .or_else(|| inherited.and_then(Cause::trace).cloned());
        metadata.priority = self.priority;
        metadata.expires = self.ttl.and_then(|ttl| metadata.time.checked_add(ttl));
    }
}
