use std::{
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    Committed, Draft, Lane, Refused, Supply,
    addressees::Addressees,
    id_at, tap,
    wait::{Place, Wait},
};
use crate::{
    event::{Envelope, Event, Sealed},
    local::{
        log::{Garbage, Ticks},
        sync::lock,
    },
};

/// One publish under way: nobody has the event before everybody can have it. Dropped, it has not
/// happened.
pub(crate) struct Publication<'a, E: Event, S = E> {
    pub(super) lane: &'a Lane<E>,
    draft: Option<Draft<S>>,
    patient: bool,
    pub(super) wait: Option<Wait<'a, E>>,
}

impl<'a, E: Event, S: Supply<E>> Publication<'a, E, S> {
    #[inline]
    pub(crate) fn new(lane: &'a Lane<E>, draft: Draft<S>) -> Self {
        Self {
            lane,
            draft: Some(draft),
            patient: false,
            wait: None,
        }
    }

    /// For an event from elsewhere, which leaves this process no more. It waits also for subscribers that would have
    /// publishing fail.
    pub(crate) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Gives the event to everybody, if everybody has room.
    pub(crate) fn try_now(&mut self) -> Result<Committed, Refused> {
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
    ) -> Poll<Result<Committed, Refused>> {
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
    fn commit(&mut self, to: &Addressees<E>) -> Result<Committed, Option<Place<E>>> {
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
        let unheard = readers == 0 && to.is_nobody() && E::RETAINED == 0;
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
                cell: None,
            });
        }
        let nanos = state.clock.at(ticks);
        let id = match &draft.full {
            None => id_at(nanos),
            Some(metadata) => metadata.id,
        };
        let sealed = Sealed::new(id, nanos, draft.full, event);
        let wanted = E::RETAINED > 0 || !to.is_nobody();
        let (mut garbage, mut skipped, mut cell) = (None, Garbage::default(), None);
        let leaves = state.tap.is_open() && !self.patient;
        let roused = leaves && state.rouse(lane.tapped.as_ref());
        let mut subscribers = (readers - usize::from(state.tap.is_open())) as u64;
        let envelope = if readers > 0 {
            garbage = state.log.extend();
            if leaves {
                cell = state.log.push(sealed);
            } else {
                state.log.push_foreign(sealed);
                skipped = state.skip_for_tap();
            }
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
        let overran = garbage.is_some() && state.overran();
        let alarm = state.sleepers.take();
        let pressed = garbage.is_some() && state.press(lane.tapped.as_ref());
        state.reclear();
        drop(state);
        if let Some(alarm) = alarm {
            lane.wake(alarm);
        }
        lane.rouse(roused || pressed);
        if overran {
            garbage.as_deref().into_iter().for_each(tap::refuse_overrun);
        }
        if let Some(envelope) = &envelope
            && !to.is_nobody()
        {
            subscribers += to.put(envelope);
        }
        // Last, since the drop of an event may panic.
        drop((garbage, skipped, outdated));
        Ok(Committed {
            id,
            subscribers,
            cell,
        })
    }
}

impl<E: Event, S> Drop for Publication<'_, E, S> {
    fn drop(&mut self) {
        let woken = self.stop_waiting();
        self.pass_on(woken);
    }
}
