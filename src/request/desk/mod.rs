//! Where requests of one type meet their responders.

mod queue;

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, Semaphore};

use super::{Asked, Request, reply::Reply};

/// Where requests of one type wait for whichever responder is free first.
///
/// It lasts from the first responder to the last: once ended, it takes nothing more.
pub(in crate::request) struct Desk<R: Request> {
    state: Mutex<State<R>>,
    /// A permit for each free place in the queue. Fair, so that askers get room in their order.
    room: Semaphore,
    arrived: Notify,
}

struct State<R: Request> {
    /// By rising number.
    queue: VecDeque<Ticket<R>>,
    next: u64,
    /// Responders for whom requests are still accepted.
    accepting: usize,
    /// Those, and the ones that only answer what is left.
    serving: usize,
    /// Places that went with their responder while they were taken.
    owed: usize,
    ended: bool,
}

/// A request that waits.
pub(in crate::request) struct Ticket<R: Request> {
    number: u64,
    pub(in crate::request) asked: Asked<R>,
    pub(in crate::request) reply: Reply<R>,
}

/// Why there is nothing for a responder.
pub(in crate::request) enum Idle {
    /// Nothing now.
    Wait,
    /// Nothing ever.
    End,
}

impl<R: Request> Desk<R> {
    pub(in crate::request) fn new() -> Self {
        let state = State {
            queue: VecDeque::new(),
            next: 0,
            accepting: 0,
            serving: 0,
            owed: 0,
            ended: false,
        };
        Self {
            state: Mutex::new(state),
            room: Semaphore::new(0),
            arrived: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::request) fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// A responder comes, with places for so many. False if the desk has ended.
    pub(in crate::request) fn join(&self, capacity: usize) -> bool {
        let mut state = self.state();
        if state.ended {
            return false;
        }
        state.accepting += 1;
        state.serving += 1;
        let paid = state.owed.min(capacity);
        state.owed -= paid;
        self.room.add_permits(capacity - paid);
        true
    }

    /// A responder wants nothing new, and takes its places with it.
    pub(in crate::request) fn stop_accepting(&self, capacity: usize) {
        let mut state = self.state();
        state.accepting -= 1;
        if state.accepting == 0 {
            state.ended = true;
            self.room.close();
        } else {
            state.owed += capacity - self.room.forget_permits(capacity);
        }
        drop(state);
        self.arrived.notify_waiters();
    }

    /// A responder takes no more. What nobody will take is given back, to be dropped where no lock
    /// is held: a request may do anything when it is dropped.
    #[must_use]
    pub(in crate::request) fn stop_serving(&self) -> VecDeque<Ticket<R>> {
        let mut state = self.state();
        state.serving -= 1;
        match state.serving {
            0 => std::mem::take(&mut state.queue),
            _ => VecDeque::new(),
        }
    }

    /// The bus ends. What waits is given back.
    #[must_use]
    pub(in crate::request) fn close(&self) -> VecDeque<Ticket<R>> {
        let mut state = self.state();
        state.ended = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        self.room.close();
        self.arrived.notify_waiters();
        left
    }
}
