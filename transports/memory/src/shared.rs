use std::{
    mem,
    sync::{Mutex, PoisonError},
    task::Waker,
};

use algedonic_transport::Outcome;

use crate::{connection::Tell, limits::Limits, state::State};

/// The broker's state behind its lock.
pub(crate) struct Shared(Mutex<State>);

/// What is to happen once the lock is free: whoever is woken may come straight back.
pub(crate) enum Later {
    /// Dropping a waker may drop its task, and with it a transport.
    Forget(Waker),
    Tell(Tell, Outcome),
    Wake(Waker),
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Mutex::new(State::new(limits)))
    }

    /// Changes the state, then tells and wakes those whom it concerns.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, later) = {
            // Every change is whole before anything in it could panic.
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let result = change(&mut state);
            (result, mem::take(&mut state.later))
        };
        for next in later {
            match next {
                // Whoever awaited it may be gone: dropping a send loses only its result.
                Later::Tell(tell, outcome) => drop(tell.send(outcome)),
                Later::Wake(waker) => waker.wake(),
                Later::Forget(waker) => drop(waker),
            }
        }
        result
    }
}
