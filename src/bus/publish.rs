use std::{sync::Arc, time::Duration};

use algedonic_transport::{CorrelationId, Error, ErrorKind, Key, Metadata, Priority, TraceContext};

use super::{Bus, Delivered, Receipt, Shared};
use crate::{
    event::{Cause, Envelope, Event},
    local::Reached,
    mirror::{LocalOnly, Pending},
    signal::Signal,
};

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

    /// The message priority towards other processes; [`Priority::NORMAL`] without it.
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
}

impl Bus {
    /// Publishes an event to every current subscriber of its type and of patterns that select its
    /// key, and, if its type is mirrored, to other processes.
    ///
    /// Waits only for subscribers that chose [`Lag::Block`](crate::Lag::Block) and are full; never
    /// for a broker. Events published one after another by one task arrive in that order at each
    /// subscriber.
    ///
    /// # Errors
    ///
    /// `Closed` after [`shutdown`](Self::shutdown); `Malformed` for a key that is none, or that
    /// [`Event::KEYS`] does not cover though the type is mirrored. Nobody has got the event then.
    ///
    /// # Cancellation
    ///
    /// Dropped while it waits, the event has reached everyone who had room, and is on its way to
    /// other processes; the subscribers it waited for are told of a [`Gap`](crate::Gap).
    pub async fn publish<E: Event>(&self, event: E) -> Result<Receipt, Error> {
        self.publish_with(event, PublishOptions::default()).await
    }

    /// As [`publish`](Self::publish), saying more than the event.
    pub async fn publish_with<E: Event>(
        &self,
        event: E,
        options: PublishOptions,
    ) -> Result<Receipt, Error> {
        let shared = &*self.shared;
        let Some(_inside) = shared.events_gate.enter() else {
            return Err(shared.refuse(shut_down()));
        };
        let key = event.key().map_err(|error| {
            let refused = Error::permanent(ErrorKind::Malformed, "publish an event")
                .with_detail(format!("the key of {}: {error}", E::NAME));
            shared.refuse(refused.with_source(error))
        })?;
        let name = const { Key::from_static(E::NAME) };
        let metadata = shared.metadata(name, E::VERSION, key, options);
        let envelope = Envelope::new(metadata, event);
        let remote = match &shared.mirror {
            None => Pending::local_only(LocalOnly::NoTransport),
            Some(mirror) => mirror
                .send(&envelope)
                .map_err(|error| shared.refuse(error))?,
        };
        shared.ledger.published.add(1);
        let id = envelope.id();
        let reached = shared.local.deliver(envelope).await;
        Ok(Receipt::new(id, reached.into(), remote))
    }

    /// Raises pain or pleasure: to every subscriber of [`signals`](Self::signals) and of matching
    /// patterns, and always to other processes, on a way that no ordinary event takes.
    ///
    /// Reaches at once everyone who has room; then it waits for subscribers of signals that are full,
    /// 1,024 signals behind, for as long as they are: drop the future, or give it a timeout, to wait
    /// less. What became of it beyond this process is said by [`Receipt::remote`]. Every bus with a
    /// mirror receives signals, this one too: [`Remote::Confirmed`](crate::Remote::Confirmed) says
    /// that the broker has it, not that another process does.
    ///
    /// # Errors
    ///
    /// `Closed` after [`shutdown`](Self::shutdown); while it goes on, not before the handlers are done.
    pub async fn signal(&self, mut signal: Signal) -> Result<Receipt, Error> {
        let shared = &*self.shared;
        let Some(_inside) = shared.signals_gate.enter() else {
            return Err(shared.refuse(shut_down()));
        };
        if signal.source.is_empty() {
            signal.source = shared.source.to_string();
        }
        let options = PublishOptions::new().priority(signal.level.priority());
        let name = const { Key::from_static(Signal::NAME) };
        let metadata = shared.metadata(name, 1, signal.key(), options);
        let envelope = Envelope::new(metadata, signal);
        let remote = match &shared.mirror {
            None => Pending::local_only(LocalOnly::NoTransport),
            Some(mirror) => mirror.send_signal(&envelope),
        };
        shared.ledger.signals.add(1);
        let id = envelope.id();
        let reached = shared.signals.deliver(envelope).await;
        Ok(Receipt::new(id, reached.into(), remote))
    }
}

impl Shared {
    pub(super) fn metadata(
        &self,
        name: Key,
        version: u32,
        key: Key,
        options: PublishOptions,
    ) -> Metadata {
        let PublishOptions {
            ttl,
            priority,
            correlation,
            cause,
            trace,
        } = options;
        let cause = cause.or_else(Cause::current);
        let inherited = cause.as_ref();
        let mut metadata = Metadata::new(name, Arc::clone(&self.source));
        metadata.version = version;
        metadata.key = key;
        metadata.origin = Some(self.origin);
        if let Some(id) = correlation.or_else(|| inherited.map(|cause| cause.correlation().clone()))
        {
            metadata.correlation = id;
        }
        metadata.causation = inherited.map(Cause::id);
        metadata.trace = trace.or_else(|| inherited.and_then(Cause::trace).cloned());
        metadata.priority = priority;
        metadata.expires = ttl.and_then(|ttl| metadata.time.checked_add(ttl));
        metadata
    }

    fn refuse(&self, error: Error) -> Error {
        self.ledger.refused.add(1);
        error
    }
}

fn shut_down() -> Error {
    Error::permanent(ErrorKind::Closed, "publish").with_detail("the bus was shut down")
}

impl From<Reached> for Delivered {
    fn from(reached: Reached) -> Self {
        Self {
            subscribers: reached.subscribers,
            dropped: reached.dropped,
        }
    }
}
