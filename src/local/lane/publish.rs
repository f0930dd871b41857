use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Committed, Draft, Lane, Refused, Supply,
    addressees::Addressees,
    id_at,
    wait::{Place, Wait},
};
use crate::{
    event::{Envelope, Event, Sealed},
    local::{log::Ticks, sync::lock},
};

/// One publish under way: nobody has the event before everybody can have it. Dropped, it has not
/// happened.
pub(crate) struct Publication<'a, E: Event, S = E> {
    pub(super) lane: &'a Lane<E>,
    draft: Option<Draft<S>>,
    keep: bool,
    patient: bool,
    pub(super) wait: Option<Wait<'a, E>>,
}

impl<'a, E: Event, S: Supply<E>> Publication<'a, E, S> {
    #[inline]
    pub(crate) fn new(lane: &'a Lane<E>, draft: Draft<S>) -> Self {
        Self {
            lane,
            draft: Some(draft),
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
        let mut woken = self.stop_waiting();
        if self.wait.is_some() && self.is_refused() {
            return Poll::Ready(Err(Refused::Closed));
        }
        loop {
            let full = self.draft.as_ref().and_then(|draft| draft.full.as_ref());
            let key = full.map_or(&self.lane.origin.name, |full| &full.key);
            let addressees = self.lane.addressees(key);
            let place = match addressees.reserve() {
                Ok(()) => match self.commit(&addressees) {
                    Ok(committed) => {
                        // If it was woken for this room, it has used it: there is nothing to pass on.
                        self.wait = None;
                        return Poll::Ready(Ok(committed));
                    }
                    Err(Some(Place::Nowhere)) => {
                        addressees.unreserve();
                        continue;
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
            // An inbox that is full and has ended lets nobody wait, and never has room.
            if self.is_refused() {
                return Poll::Ready(Err(Refused::Closed));
            }
            if place.fails() && !self.patient {
                return Poll::Ready(Err(Refused::Busy));
            }
            let Some(cx) = cx.as_deref_mut() else {
                return Poll::Ready(Err(Refused::WouldWait));
            };
            match self.wait_at(place, cx) {
                Ok(true) => return Poll::Pending,
                Ok(false) => {}
                Err(refused) => return Poll::Ready(Err(refused)),
            }
        }
    }

    fn is_refused(&self) -> bool {
        let phase = lock(&self.lane.state).phase;
        !phase.lets_in(self.wait.is_some())
    }

    /// Publishes, unless the log is full (`Some` place to wait at), others are to get it by now
    /// (`Nowhere`), or the lane closed or the event not there any more (`None`).
    #[inline]
    fn commit(&mut self, to: &Addressees<E>) -> Result<Committed<E>, Option<Place<E>>> {
        let lane = self.lane;
        let ticks = Ticks::now();
        let mut state = lock(&lane.state);
        if !state.phase.lets_in(self.wait.is_some()) {
            return Err(None);
        }
        // One that came meanwhile has got what was retained then: this one would be missing behind it.
        if E::RETAINED > 0 && !to.has(state.inboxes.as_ref()) {
            return Err(Some(Place::Nowhere));
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
        let readers = state.log.readers();
        if readers > 0 {
            state.besides = state.besides.wrapping_sub(1);
        }
        if self.patient {
            state.received += 1;
        } else {
            state.besides = state.besides.wrapping_add(1);
        }
        let unheard = readers == 0 && to.is_nobody() && !self.keep && E::RETAINED == 0;
        if unheard {
            let nanos = state.clock.at(ticks);
            drop(state);
            let id = match &draft.full {
                None => id_at(nanos),
                Some(metadata) => metadata.id,
            };
            return Ok(Committed {
                id,
                subscribers: 0,
                envelope: None,
            });
        }
        let nanos = state.clock.at(ticks);
        let id = match &draft.full {
            None => id_at(nanos),
            Some(metadata) => metadata.id,
        };
        let sealed = Sealed::new(id, nanos, draft.full, event);
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
        state.reclear();
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
}

impl<E: Event, S> Drop for Publication<'_, E, S> {
    fn drop(&mut self) {
        let woken = self.stop_waiting();
        self.pass_on(woken);
    }
}
