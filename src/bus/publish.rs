use std::{future::poll_fn, sync::Arc, time::SystemTime};

use algedonic_transport::{Error, ErrorKind, EventId, Key, Metadata};
use tracing::warn;

use super::{
    Bus, PublishOptions, Receipt, Shared,
    publishing::{Publish, Waiting},
};
use crate::{
    event::{Cause, Envelope, Event},
    local::{Committed, Draft, Lane, Publication, Refused},
    mirror::Pending,
    observe::{LocalOnly, Remote},
    signal::Signal,
};

impl Bus {
    /// Publishes an event to every current subscriber of its type and of patterns that select its
    /// key, and, if its type is mirrored, to other processes.
    ///
    /// Waits only for subscribers that chose [`Lag::Block`](crate::Lag::Block) and are full, for as long as
    /// they are; never for a broker. It reaches everybody or, as long as one of those has no room, nobody. Events
    /// published one after another by one task arrive in that order at each subscriber. A task that is itself
    /// such a subscriber, and reads only afterwards, waits for ever once its buffer is full.
    ///
    /// Nothing happens before the future is polled. It gives way to other tasks of tokio's now and then.
    ///
    /// To publish often, have a [`publisher`](Self::publisher): it looks up nothing.
    ///
    /// # Errors
    ///
    /// Nobody has got the event then; it is dropped.
    ///
    /// - `Closed` after [`shutdown`](Self::shutdown).
    /// - `Busy` while a subscriber is full that chose [`Lag::Error`](crate::Lag::Error).
    /// - `Malformed` when [`Event::key`] fails, or gives a key that [`Event::KEYS`] does not cover though the
    ///   type is mirrored.
    ///
    /// # Panics
    ///
    /// When [`Event::key`] does, and when polled after it has resolved. Also when the drop of an earlier event
    /// does, which is let go of here: this event is published all the same.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is ready, it has not happened: nobody has got the event, nor will. The event is
    /// dropped with it.
    #[inline]
    pub fn publish<E: Event>(
        &self,
        event: E,
    ) -> impl Future<Output = Result<Receipt, Error>> + Send {
        Publish::new(&self.shared, self.shared.local.lane(), event)
    }

    /// As [`publish`](Self::publish), saying more than the event.
    pub async fn publish_with<E: Event>(
        &self,
        event: E,
        options: PublishOptions,
    ) -> Result<Receipt, Error> {
        let lane = self.shared.local.lane::<E>();
        self.shared.publish_any(lane, event, Some(options)).await
    }

    /// Raises pain or pleasure: to every subscriber of [`signals`](Self::signals) and of matching
    /// patterns, and always to other processes, on a way that no ordinary event takes. Neither waits for the other.
    ///
    /// Reaches at once everyone who has room; then it waits for subscribers of signals that are full,
    /// 1,024 signals behind, for as long as they are: drop the future, or give it a timeout, to wait
    /// less; those that it waited for are then told by a [`Gap`](crate::Gap). What became of it beyond this
    /// process is said by [`Receipt::remote`]. Every bus with a mirror receives signals, this one too:
    /// [`Remote::Confirmed`](crate::Remote::Confirmed) says that the broker has it, not that another process does.
    ///
    /// **With a [spool](crate::Mirror::spool)** it returns when the signal is confirmed, or on the disk, synced: the receipt then
    /// says [`Confirmed`](crate::Remote::Confirmed) or [`Spooled`](crate::Remote::Spooled), and either survives the end
    /// of this process. It takes as long as a confirm, at most [`spool_after`](crate::Mirror::spool_after) and a write to
    /// the disk. Without one it does not wait for other processes, and what they do not get is lost with this one.
    ///
    /// # Errors
    ///
    /// - `Closed` after [`shutdown`](Self::shutdown); while it goes on, not before the handlers are done.
    /// - With a spool, whatever keeps a signal from being safe. What the spool said when it did not take one that could not be
    ///   confirmed: `Busy` when it is full of what matters as much, `Unavailable` or `Denied` when the disk fails. `TooLarge`:
    ///   the transport takes no body of this size, ever. `Closed`: the bus was shut down before its turn. `Unavailable`: the bus
    ///   was shut down, or its mirror has ended, before an answer came. The subscribers in this process have the
    ///   signal all the same; other processes may not get it.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is ready, the signal goes its way, but for subscribers that were full; whether it will be
    /// confirmed or kept is not known.
    pub async fn signal(&self, signal: Signal) -> Result<Receipt, Error> {
        let shared = &*self.shared;
        let Some(_inside) = shared.signals_gate.enter() else {
            return Err(shared.refuse(Refused::Closed.into()));
        };
        let envelope = shared.feel(signal, Cause::current());
        let id = envelope.id();
        let mirror = shared.mirror.as_ref();
        let Some(secured) = mirror.and_then(|mirror| mirror.secure_signal(&envelope)) else {
            let remote = shared.send(&envelope);
            let reached = shared.signals.deliver(envelope).await;
            return Ok(Receipt::new(id, reached.subscribers, remote));
        };
        let (reached, remote) = tokio::join!(shared.signals.deliver(envelope), secured);
        if !remote.is_safe() {
            return Err(not_safe(remote));
        }
        Ok(Receipt::new(id, reached.subscribers, Pending::Told(remote)))
    }
}

/// Why a signal is neither confirmed nor on the disk.
fn not_safe(remote: Remote) -> Error {
    let kind = match remote {
        Remote::LocalOnly(LocalOnly::NotSpooled(error) | LocalOnly::Refused(error)) => {
            return error;
        }
        Remote::LocalOnly(LocalOnly::ShutDown) => ErrorKind::Closed,
        _ => ErrorKind::Unavailable,
    };
    Error::transient(kind, "keep a signal").with_detail(remote.to_string())
}

async fn warn_unless_safe(id: EventId, secured: impl Future<Output = Remote>) {
    let remote = secured.await;
    if !remote.is_safe() {
        warn!(%id, %remote, "a signal of the bus itself stays in this process");
    }
}

impl Shared {
    /// A signal of this bus; it is still to be sent, and delivered here.
    fn feel(&self, mut signal: Signal, cause: Option<Cause>) -> Envelope<Signal> {
        if signal.source.is_empty() {
            signal.source = self.source.to_string();
        }
        let options = PublishOptions::new().priority(signal.level.priority());
        let name = const { Key::from_static(Signal::NAME) };
        let metadata = self.metadata_of(name, signal.key(), options, cause);
        self.ledger.signals.add(1);
        self.signals.seal(metadata, signal)
    }

    /// Puts a signal on its way to other processes.
    fn send(&self, signal: &Envelope<Signal>) -> Pending {
        match &self.mirror {
            None => Pending::NoTransport,
            Some(mirror) => mirror.send_signal(signal),
        }
    }

    /// The same for a signal of the bus itself.
    pub(super) fn raise(
        &self,
        signal: Signal,
        cause: Option<Cause>,
    ) -> Result<Envelope<Signal>, Error> {
        let Some(_inside) = self.signals_gate.enter() else {
            return Err(self.refuse(Refused::Closed.into()));
        };
        let envelope = self.feel(signal, cause);
        let mirror = self.mirror.as_ref();
        match mirror.and_then(|mirror| mirror.secure_signal(&envelope)) {
            // It waits for room, if there is none, and nobody waits for it.
            Some(secured) => drop(tokio::spawn(warn_unless_safe(envelope.id(), secured))),
            None => drop(self.send(&envelope)),
        }
        Ok(envelope)
    }

    /// The metadata of a signal or a request of this name, from here.
    pub(super) fn metadata(&self, name: Key, key: Key, options: PublishOptions) -> Metadata {
        self.metadata_of(name, key, options, Cause::current())
    }

    fn metadata_of(
        &self,
        name: Key,
        key: Key,
        options: PublishOptions,
        cause: Option<Cause>,
    ) -> Metadata {
        let mut metadata = Metadata::new(name, Arc::clone(&self.source));
        metadata.key = key;
        metadata.origin = Some(self.origin);
        options.complete(&mut metadata, cause);
        metadata
    }

    /// Publishes an event about which there is nothing special, if nothing is in the way: the
    /// short cut that nearly every event takes. Otherwise gives None, and leaves the event where it is.
    #[inline]
    pub(super) fn publish_plain<E: Event>(
        &self,
        lane: &Lane<E>,
        event: &mut Option<E>,
    ) -> Option<Receipt> {
        let key = event.as_ref()?.key();
        let named = key.is_ok_and(|key| key == *E::NAME);
        if !named || Cause::is_set() {
            return None;
        }
        let committed = lane.publish_plain(event)?;
        Some(self.receipt(lane, committed))
    }

    /// Publishes any event, and waits for room.
    pub(super) async fn publish_any<E: Event>(
        &self,
        lane: &Lane<E>,
        event: E,
        options: Option<PublishOptions>,
    ) -> Result<Receipt, Error> {
        let mut publication = self.begin(lane, event, options)?;
        poll_fn(|cx| publication.poll(self, cx)).await
    }

    /// One publish that may have to wait.
    pub(super) fn begin<'a, E: Event>(
        &self,
        lane: &'a Lane<E>,
        event: E,
        options: Option<PublishOptions>,
    ) -> Result<Waiting<'a, E>, Error> {
        let draft = self.draft(lane, event, options)?;
        let publication = Publication::new(lane, draft);
        Ok(Waiting { lane, publication })
    }

    /// As [`publish_any`](Self::publish_any), where it can be done without waiting.
    pub(super) fn try_publish<E: Event>(
        &self,
        lane: &Lane<E>,
        event: E,
        options: Option<PublishOptions>,
    ) -> Result<Receipt, Error> {
        let mut waiting = self.begin(lane, event, options)?;
        let done = waiting.publication.try_now();
        waiting.end(self, done)
    }

    /// What an event has to carry.
    #[inline]
    fn draft<E: Event>(
        &self,
        lane: &Lane<E>,
        event: E,
        options: Option<PublishOptions>,
    ) -> Result<Draft<E>, Error> {
        let key = self.address(&event)?;
        let full = stamp(lane, key, options);
        Ok(Draft { event, full })
    }

    /// The key of an event.
    #[inline]
    pub(super) fn address<E: Event>(&self, event: &E) -> Result<Key, Error> {
        let key = event
            .key()
            .map_err(|error| self.refuse(bad_key::<E>(error)))?;
        if let Some(mirror) = &self.mirror {
            mirror
                .check::<E>(&key)
                .map_err(|error| self.refuse(error))?;
        }
        Ok(key)
    }

    /// The receipt of what has been published.
    #[inline]
    pub(super) fn receipt<E: Event>(&self, lane: &Lane<E>, committed: Committed) -> Receipt {
        let remote = match (committed.cell, &self.mirror) {
            (Some(cell), _) => Pending::Awaited(cell),
            (None, None) => Pending::NoTransport,
            (None, Some(_)) => self.stays(lane),
        };
        Receipt::new(committed.id, committed.subscribers, remote)
    }

    /// Why an event stays here though there is a mirror.
    fn stays<E: Event>(&self, lane: &Lane<E>) -> Pending {
        if lane.is_tapped() {
            self.ledger.local_only.add(1);
            Pending::Ended
        } else {
            Pending::NotMirrored
        }
    }

    /// Counts a publish that is refused.
    pub(super) fn refuse(&self, error: Error) -> Error {
        self.ledger.refused.add(1);
        error
    }
}

/// All of the metadata of an event that is published now, where something is said beyond the event.
#[inline]
pub(super) fn stamp<E: Event>(
    lane: &Lane<E>,
    key: Key,
    options: Option<PublishOptions>,
) -> Option<Box<Metadata>> {
    let cause = Cause::current();
    let special = key != *E::NAME || cause.is_some() || options.is_some();
    special.then(|| {
        let now = SystemTime::now();
        let mut metadata = lane.origin().metadata(EventId::at(now), now);
        metadata.key = key;
        options.unwrap_or_default().complete(&mut metadata, cause);
        Box::new(metadata)
    })
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Closed => {
                Self::permanent(ErrorKind::Closed, "publish").with_detail("the bus was shut down")
            }
            Refused::Busy => Self::transient(ErrorKind::Busy, "publish")
                .with_detail("a subscriber that has publishing fail is full"),
            Refused::WouldWait => Self::transient(ErrorKind::Busy, "publish")
                .with_detail("a subscriber is full, and waiting was not wanted"),
        }
    }
}

#[cold]
fn bad_key<E: Event>(error: algedonic_transport::KeyError) -> Error {
    Error::permanent(ErrorKind::Malformed, "publish an event")
        .with_detail(format!("the key of {}: {error}", E::NAME))
        .with_source(error)
}
