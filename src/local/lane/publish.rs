use std::{
    sync::Arc,
    task::{Context, Poll},
    time::SystemTime,
};

use algedonic_transport::{EventId, Metadata};

use super::{Inboxes, Lane, Phase};
use crate::{
    event::{AnyEnvelope, Envelope, Event, Sealed},
    local::{
        Inside, Lag,
        inbox::Inbox,
        log::Ticks,
        sleepers::Alarm,
        sync::{Ordering, lock},
        waiters::Ticket,
    },
};

/// What is to be published: an event, or where it comes from.
pub(crate) struct Draft<S> {
    pub(crate) event: S,
    /// All of its metadata, where something was said beyond the event.
    pub(crate) full: Option<Box<Metadata>>,
}

/// Where the event of a publish comes from, at the moment at which it is published.
pub(crate) trait Supply<E> {
    /// The event; None if it is not to be published any more. Called under the lane's lock: it may
    /// take no other that is held while something of a user's runs.
    fn supply(self) -> Option<E>;
}

impl<E: Event> Supply<E> for E {
    #[inline]
    fn supply(self) -> Option<E> {
        Some(self)
    }
}

/// What has been published.
pub(crate) struct Committed<E> {
    pub(crate) id: EventId,
    /// How many subscribers have it.
    pub(crate) subscribers: u64,
    /// The event, where it was [asked for](Publication::keep).
    pub(crate) envelope: Option<Envelope<E>>,
}

/// Why nobody got the event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The bus is shut down, or the event is not [supplied](Supply).
    Closed,
    /// A subscriber is full that would have publishing fail.
    Busy,
    /// Waiting was not wanted.
    WouldWait,
}

/// One publish under way: nobody has the event before everybody can have it. Dropped, it has not
/// happened.
pub(crate) struct Publication<'a, E: Event, S = E> {
    lane: &'a Lane<E>,
    draft: Option<Draft<S>>,
    stamp: Option<(EventId, SystemTime)>,
    keep: bool,
    patient: bool,
    wait: Option<Wait<'a, E>>,
}

/// Where a publish waits for room.
struct Wait<'a, E> {
    ticket: Ticket,
    place: Place<E>,
    /// A shutdown lets it finish.
    _inside: Inside<'a>,
}

enum Place<E> {
    Nowhere,
    Log,
    Typed(Arc<Inbox<Envelope<E>>>),
    Pattern(Arc<Inbox<AnyEnvelope>>),
}

/// The inboxes that are to get an event.
struct Addressees<E> {
    typed: Option<Inboxes<E>>,
    patterns: Option<Arc<[Arc<Inbox<AnyEnvelope>>]>>,
}

impl<'a, E: Event, S: Supply<E>> Publication<'a, E, S> {
    #[inline]
    pub(crate) fn new(lane: &'a Lane<E>, draft: Draft<S>) -> Self {
        let stamp = draft.full.as_ref().map(|full| (full.id, full.time));
        Self {
            lane,
            draft: Some(draft),
            stamp,
            keep: false,
            patient: false,
            wait: None,
        }
    }

    /// Asks for the event once it is published.
    pub(crate) fn keep(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// Waits also for subscribers that would have publishing fail.
    pub(crate) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Gives the event to everybody, if everybody has room.
    pub(crate) fn try_now(&mut self) -> Result<Committed<E>, Refused> {
        match self.poll(None) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(Refused::WouldWait),
        }
    }

    /// Gives the event to everybody, or waits for room; without a context it does not wait.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        mut cx: Option<&mut Context<'_>>,
    ) -> Poll<Result<Committed<E>, Refused>> {
        if self.stamp.is_none() && (self.keep || self.lane.is_heard()) {
            let now = SystemTime::now();
            self.stamp = Some((EventId::at(now), now));
        }
        let mut woken = self.stop_waiting();
        if self.wait.is_some() && self.lane.is_closed() {
            return Poll::Ready(Err(Refused::Closed));
        }
        loop {
            let addressees = self.addressees();
            let place = match addressees.reserve() {
                Ok(()) => match self.commit(&addressees) {
                    Ok(committed) => {
                        // Not through a wake-up that is to be passed on: it was used.
                        self.wait = None;
                        return Poll::Ready(Ok(committed));
                    }
                    Err(None) => {
                        addressees.unreserve();
                        self.pass_on(woken.take());
                        return Poll::Ready(Err(Refused::Closed));
                    }
                    Err(Some(place)) => {
                        addressees.unreserve();
                        place
                    }
                },
                Err(full) => full,
            };
            self.pass_on(woken.take());
            if place.fails() && !self.patient {
                return Poll::Ready(Err(Refused::Busy));
            }
            let Some(cx) = cx.as_deref_mut() else {
                return Poll::Ready(Err(Refused::WouldWait));
            };
            match self.wait_at(place, cx) {
                Ok(true) => return Poll::Pending,
                // An inbox that is full and closed has nobody wait, and never room.
                Ok(false) if self.lane.is_closed() => {
                    return Poll::Ready(Err(Refused::Closed));
                }
                Ok(false) => {}
                Err(refused) => return Poll::Ready(Err(refused)),
            }
        }
    }

    #[inline]
    fn addressees(&self) -> Addressees<E> {
        let lane = self.lane;
        let typed = if lane.inboxed.load(Ordering::Relaxed) > 0 {
            lane.inboxes()
        } else {
            None
        };
        let patterns = if lane.patterns.is_empty() {
            None
        } else {
            let full = self.draft.as_ref().and_then(|draft| draft.full.as_ref());
            lane.patterns
                .matching(full.map_or(&lane.origin.name, |full| &full.key))
        };
        Addressees { typed, patterns }
    }

    /// Publishes, unless the log is full (`Some` place to wait at), or the lane closed or the event
    /// not there any more (`None`).
    #[inline]
    fn commit(&mut self, to: &Addressees<E>) -> Result<Committed<E>, Option<Place<E>>> {
        let lane = self.lane;
        let mut state = lock(&lane.state);
        match state.phase {
            Phase::Open => {}
            Phase::Draining if self.wait.is_some() => {}
            Phase::Draining | Phase::Closed => return Err(None),
        }
        if state.log.next() >= state.limit {
            state.limit = state.log.limit();
            if state.log.next() >= state.limit {
                return Err(Some(Place::Log));
            }
        }
        let draft = self.draft.take().expect("published once");
        let Some(event) = draft.event.supply() else {
            return Err(None);
        };
        if self.patient {
            state.received += 1;
        } else {
            state.published += 1;
        }
        let readers = state.log.readers();
        let unheard = readers == 0 && to.is_nobody() && !self.keep && E::RETAINED == 0;
        if unheard {
            let id = self
                .stamp
                .map_or_else(|| EventId::at(state.clock.last()), |(id, _)| id);
            drop(state);
            return Ok(Committed {
                id,
                subscribers: 0,
                envelope: None,
            });
        }
        let (id, time) = self.stamp.unwrap_or_else(|| {
            let now = SystemTime::now();
            (EventId::at(now), now)
        });
        let sealed = Sealed {
            id,
            time,
            full: draft.full,
            event,
        };
        let wanted = self.keep || E::RETAINED > 0 || !to.is_nobody();
        let mut garbage = None;
        let envelope = if readers > 0 {
            garbage = state.log.append(sealed);
            wanted.then(|| Envelope::shared(state.log.share_newest()))
        } else {
            Some(Envelope::new(Arc::clone(&lane.origin), sealed))
        };
        let mut outdated = None;
        if E::RETAINED > 0
            && let Some(envelope) = &envelope
        {
            if state.retained.len() == E::RETAINED {
                outdated = state.retained.pop_front();
            }
            state.retained.push_back(envelope.clone());
        }
        let alarm = state.sleepers.take();
        drop(state);
        if let Some(alarm) = alarm {
            lane.wake(alarm);
        }
        let mut subscribers = readers as u64;
        if let Some(envelope) = &envelope
            && !to.is_nobody()
        {
            subscribers += to.put(envelope);
        }
        // Last, since the drop of an event may panic.
        drop((garbage, outdated));
        Ok(Committed {
            id,
            subscribers,
            envelope,
        })
    }

    /// Waits at a place. False if there is room now.
    #[cold]
    fn wait_at(&mut self, place: Place<E>, cx: &mut Context<'_>) -> Result<bool, Refused> {
        // Not of `sync`: loom has no statics.
        static TICKETS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let wait = match &mut self.wait {
            Some(wait) => wait,
            none => {
                let inside = self.lane.gate.enter().ok_or(Refused::Closed)?;
                none.insert(Wait {
                    ticket: TICKETS.fetch_add(1, Ordering::Relaxed),
                    place: Place::Nowhere,
                    _inside: inside,
                })
            }
        };
        let waits = match &place {
            Place::Nowhere => false,
            Place::Log => self.lane.wait(wait.ticket, cx),
            Place::Typed(inbox) => inbox.wait(wait.ticket, cx.waker()),
            Place::Pattern(inbox) => inbox.wait(wait.ticket, cx.waker()),
        };
        if waits {
            wait.place = place;
        }
        Ok(waits)
    }
}

impl<E: Event, S> Publication<'_, E, S> {
    /// Ends the wait, if there is one. If it was ended by a wake-up, says where.
    fn stop_waiting(&mut self) -> Option<Place<E>> {
        let wait = self.wait.as_mut()?;
        let place = std::mem::replace(&mut wait.place, Place::Nowhere);
        let was_waiting = match &place {
            Place::Nowhere => return None,
            Place::Log => self.lane.leave(wait.ticket),
            Place::Typed(inbox) => inbox.leave(wait.ticket),
            Place::Pattern(inbox) => inbox.leave(wait.ticket),
        };
        (!was_waiting).then_some(place)
    }

    /// Wakes another publisher, where this one was woken and has not used it.
    fn pass_on(&self, place: Option<Place<E>>) {
        match place {
            None | Some(Place::Nowhere) => {}
            Some(Place::Log) => self.lane.make_room(),
            Some(Place::Typed(inbox)) => inbox.wake_next(),
            Some(Place::Pattern(inbox)) => inbox.wake_next(),
        }
    }
}

impl<E: Event, S> Drop for Publication<'_, E, S> {
    fn drop(&mut self) {
        let woken = self.stop_waiting();
        self.pass_on(woken);
    }
}

impl<E> Place<E> {
    /// Whether the one that is full would have publishing fail.
    fn fails(&self) -> bool {
        let lag = match self {
            Self::Nowhere | Self::Log => return false,
            Self::Typed(inbox) => inbox.buffer().lag,
            Self::Pattern(inbox) => inbox.buffer().lag,
        };
        lag == Lag::Error
    }
}

impl<E: Event> Lane<E> {
    /// Publishes an event of which nothing was said, if everybody who hears it follows the log and
    /// that has room: without a look at anything else. Leaves it where it is otherwise.
    #[inline]
    pub(crate) fn publish_plain(&self, event: &mut Option<E>) -> Option<(EventId, u64)> {
        let others = self.inboxed.load(Ordering::Relaxed) > 0 || !self.patterns.is_empty();
        if others || E::RETAINED > 0 {
            return None;
        }
        let heard = self.heard.load(Ordering::Relaxed) > 0;
        let ticks = heard.then(Ticks::now);
        let mut state = lock(&self.state);
        let readers = state.log.readers();
        let clear =
            state.phase == Phase::Open && state.log.next() < state.limit && heard == (readers > 0);
        if !clear {
            return None;
        }
        let event = event.take()?;
        state.published += 1;
        let Some(ticks) = ticks else {
            let id = EventId::at(state.clock.last());
            drop(state);
            return Some((id, 0));
        };
        let time = state.clock.at(ticks);
        let id = EventId::at(time);
        let garbage = state.log.append(Sealed {
            id,
            time,
            full: None,
            event,
        });
        let alarm = state.sleepers.take();
        drop(state);
        // First, since the drop of an event may panic.
        if let Some(alarm) = alarm {
            self.wake(alarm);
        }
        drop(garbage);
        Some((id, readers as u64))
    }

    fn wake(&self, mut alarm: Alarm) {
        alarm.ring();
        lock(&self.state).sleepers.reuse(alarm);
    }

    fn inboxes(&self) -> Option<Inboxes<E>> {
        lock(&self.state).inboxes.clone()
    }

    /// Waits for room in the log. False if there is some.
    fn wait(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        let mut state = lock(&self.state);
        // First this, then a look at the cursors; a reader does the opposite.
        self.waiting.fetch_add(1, Ordering::AcqRel);
        state.limit = state.log.limit();
        let full = state.log.next() >= state.limit && state.phase != Phase::Closed;
        let replaced = if full {
            state.waiters.register(ticket, cx.waker())
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            None
        };
        drop(state);
        drop(replaced);
        full
    }

    /// Ends a wait for the log. False if it had been woken.
    fn leave(&self, ticket: Ticket) -> bool {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let waker = lock(&self.state).waiters.remove(ticket);
        waker.is_some()
    }

    fn is_closed(&self) -> bool {
        lock(&self.state).phase == Phase::Closed
    }
}

impl<E: Event> Addressees<E> {
    #[inline]
    fn is_nobody(&self) -> bool {
        self.typed.is_none() && self.patterns.is_none()
    }

    /// Gets room in all of them, or says which one is full.
    #[inline]
    fn reserve(&self) -> Result<(), Place<E>> {
        if self.is_nobody() {
            return Ok(());
        }
        self.reserve_each()
    }

    fn reserve_each(&self) -> Result<(), Place<E>> {
        let (typed, patterns) = (self.typed(), self.patterns());
        for (at, inbox) in typed.iter().enumerate() {
            if !inbox.reserve() {
                typed[..at].iter().for_each(|inbox| inbox.unreserve());
                return Err(Place::Typed(Arc::clone(inbox)));
            }
        }
        for (at, inbox) in patterns.iter().enumerate() {
            if !inbox.reserve() {
                for inbox in typed {
                    inbox.unreserve();
                }
                patterns[..at].iter().for_each(|inbox| inbox.unreserve());
                return Err(Place::Pattern(Arc::clone(inbox)));
            }
        }
        Ok(())
    }

    fn unreserve(&self) {
        self.typed().iter().for_each(|inbox| inbox.unreserve());
        self.patterns().iter().for_each(|inbox| inbox.unreserve());
    }

    /// Puts the event into each. How many took it.
    fn put(&self, envelope: &Envelope<E>) -> u64 {
        let mut taken = 0;
        let (mut typed, mut erased) = (Vec::new(), Vec::new());
        for inbox in self.typed() {
            taken += u64::from(inbox.put(envelope.clone(), &mut typed));
        }
        if let Some(patterns) = &self.patterns {
            let envelope = envelope.erase();
            for inbox in patterns.iter() {
                taken += u64::from(inbox.put(envelope.clone(), &mut erased));
            }
        }
        taken
    }

    fn typed(&self) -> &[Arc<Inbox<Envelope<E>>>] {
        self.typed.as_deref().unwrap_or_default()
    }

    fn patterns(&self) -> &[Arc<Inbox<AnyEnvelope>>] {
        self.patterns.as_deref().unwrap_or_default()
    }
}
