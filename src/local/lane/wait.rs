use std::{sync::Arc, task::Context};

use super::{Lane, Phase, Publication, Refused, Supply};
use crate::{
    event::{AnyEnvelope, Envelope, Event},
    local::{
        Inside, Lag,
        inbox::Inbox,
        sync::{Ordering, lock},
        waiters::Ticket,
    },
};

/// Where a publish waits for room.
pub(super) struct Wait<'a, E> {
    ticket: Ticket,
    place: Place<E>,
    /// A shutdown lets it finish.
    _inside: Inside<'a>,
}

pub(super) enum Place<E> {
    Nowhere,
    Log,
    Typed(Arc<Inbox<Envelope<E>>>),
    Pattern(Arc<Inbox<AnyEnvelope>>),
}

impl<E: Event, S: Supply<E>> Publication<'_, E, S> {
    /// Waits at a place. False if there is room now.
    #[cold]
    pub(super) fn wait_at(
        &mut self,
        place: Place<E>,
        cx: &mut Context<'_>,
    ) -> Result<bool, Refused> {
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
    /// Ends the wait, if there is one. If a wake-up had ended it already, says where.
    pub(super) fn stop_waiting(&mut self) -> Option<Place<E>> {
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
    pub(super) fn pass_on(&self, place: Option<Place<E>>) {
        match place {
            None | Some(Place::Nowhere) => {}
            Some(Place::Log) => self.lane.make_room(),
            Some(Place::Typed(inbox)) => inbox.wake_next(),
            Some(Place::Pattern(inbox)) => inbox.wake_next(),
        }
    }
}

impl<E> Place<E> {
    /// Whether the one that is full would have publishing fail.
    pub(super) fn fails(&self) -> bool {
        let lag = match self {
            Self::Nowhere | Self::Log => return false,
            Self::Typed(inbox) => inbox.buffer().lag,
            Self::Pattern(inbox) => inbox.buffer().lag,
        };
        lag == Lag::Error
    }
}

impl<E: Event> Lane<E> {
    /// Waits for room in the log. False if there is some.
    fn wait(&self, ticket: Ticket, cx: &mut Context<'_>) -> bool {
        let mut state = lock(&self.state);
        // First this, then a look at the cursors; a reader does the opposite.
        self.waiting.fetch_add(1, Ordering::AcqRel);
        state.limit = state.log.limit();
        state.reclear();
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
}
