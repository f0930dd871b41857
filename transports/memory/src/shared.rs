use std::{
    mem,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::Waker,
};

use algedonic_transport::Outcome;
use tokio::time::Instant;

use crate::{clock::look_again, connection::Tell, limits::Limits, state::State};

/// The broker's state behind its lock.
pub(crate) struct Shared {
    state: Mutex<State>,
    own: Weak<Self>,
}

/// What is to happen once the lock is free: whoever is woken may come straight back.
pub(crate) enum Later {
    /// The state is to be looked at again.
    At(Instant),
    /// Dropping a waker may drop its task, and with it a transport.
    Forget(Waker),
    Tell(Tell, Outcome),
    Wake(Waker),
}

impl Shared {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            state: Mutex::new(State::new(limits)),
            own: own.clone(),
        })
    }

    /// Changes the state, then tells and wakes those whom it concerns.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let (result, later) = {
            // Every change is whole before anything in it could panic.
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.catch_up();
            let result = change(&mut state);
            (result, mem::take(&mut state.later))
        };
        for next in later {
            match next {
                Later::At(moment) => look_again(&self.own, moment),
                // Whoever awaited it may be gone: dropping a send loses only its result.
                Later::Tell(tell, outcome) => drop(tell.send(outcome)),
                Later::Wake(waker) => waker.wake(),
                Later::Forget(waker) => drop(waker),
            }
        }
        result
    }
}

impl Drop for Shared {
    /// A test that fails says how to have the same faults again.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(seed) = state.faults.seed()
            && std::thread::panicking()
        {
            eprintln!("the broker in memory drew its faults from the seed {seed}:");
            for line in state.faults.log() {
                eprintln!("    {line}");
            }
        }
    }
}
