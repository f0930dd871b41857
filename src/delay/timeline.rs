use std::{
    any::TypeId,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Waker},
};

use algedonic_transport::{Error, ErrorKind};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Books, Due,
    drive::{Publishing, Shift, drive},
    queue::{Next, Place, Queue, Waiting},
};

/// The queue of one bus, between those who schedule, those who cancel, and the task. Nothing of a
/// user's runs, and nothing is dropped, under its lock.
pub(super) struct Timeline {
    state: Mutex<State>,
    capacity: u64,
    books: Arc<Books>,
    /// Tells the task to look again.
    pub(super) changed: Notify,
    /// The task has ended.
    ended: Notify,
}

struct State {
    queue: Queue,
    /// Begun, and not yet with the task.
    begun: Vec<Publishing>,
    phase: Phase,
    /// There is a task.
    driven: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// What is begun is finished.
    Closed,
    /// Nothing is.
    Ended,
}

/// What the task has to do next.
pub(super) enum Turn {
    /// Wait, at most until then.
    Wait(Option<Instant>),
    /// End: there is nothing, and no task any more.
    End,
    /// End all the same.
    CutOff,
}

impl Timeline {
    pub(super) fn new(capacity: usize, books: Arc<Books>) -> Self {
        Self {
            state: Mutex::new(State {
                queue: Queue::default(),
                begun: Vec::new(),
                phase: Phase::Open,
                driven: false,
            }),
            capacity: capacity as u64,
            books,
            changed: Notify::new(),
            ended: Notify::new(),
        }
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    pub(super) fn schedule(
        self: &Arc<Self>,
        due: Instant,
        line: TypeId,
        make: impl FnOnce(&Arc<Books>) -> Box<dyn Due>,
    ) -> Result<Place, Error> {
        // Before anything else: both may panic.
        let (runtime, sleep) = (Handle::current(), sleep_until(due));
        let mut state = self.lock();
        if let Some(refused) = self.refusal(&state) {
            // What `make` holds is dropped after the lock.
            drop(state);
            return Err(refused);
        }
        self.books.open();
        let place = state.queue.add(due, line, make(&self.books));
        let is_first = state.queue.first() == Some(place);
        let is_driven = mem::replace(&mut state.driven, true);
        drop(state);
        if !is_driven {
            // A runtime that has ended drops the shift at once.
            runtime.spawn(drive(Shift::new(self), sleep));
        } else if is_first {
            self.changed.notify_one();
        }
        Ok(place)
    }

    fn refusal(&self, state: &State) -> Option<Error> {
        if state.phase != Phase::Open {
            let error = Error::permanent(ErrorKind::Closed, "publish later");
            return Some(error.with_detail("the bus was shut down"));
        }
        let full = self.books.pending() >= self.capacity;
        full.then(|| {
            Error::transient(ErrorKind::Busy, "publish later")
                .with_detail(format!("{} events are scheduled already", self.capacity))
                .with_advice("Builder::delay_capacity allows more")
        })
    }

    /// Removes what waits there.
    pub(super) fn forget(&self, line: TypeId, place: Place) {
        let mut state = self.lock();
        let removed = state.queue.remove(line, place);
        let is_idle = state.queue.is_idle();
        drop(state);
        if is_idle {
            self.changed.notify_one();
        }
        drop(removed);
    }

    /// Begins the next of those that are due by then. False if there is none.
    pub(super) fn begin_next(&self, now: Instant, cx: &mut Context<'_>) -> bool {
        let next = self.lock().queue.pop_due(now);
        let waiting = match next {
            None => return false,
            Some(Next::Behind) => return true,
            Some(Next::Begin(waiting)) => waiting,
        };
        let mut publishing = waiting.publish();
        let unfinished = match publishing.poll_once(cx) {
            None => Some(publishing),
            Some(line) => self.finish(line),
        };
        if let Some(publishing) = unfinished {
            self.hand_over(publishing);
        }
        true
    }

    /// The task goes on with it, if there is one still.
    fn hand_over(&self, publishing: Publishing) {
        let mut state = self.lock();
        if state.phase == Phase::Ended || !state.driven {
            drop(state);
            drop(publishing);
            return;
        }
        state.begun.push(publishing);
    }

    /// Something of this line has been published: what comes next in it.
    pub(super) fn finish(&self, line: TypeId) -> Option<Publishing> {
        let mut state = self.lock();
        let next = state.queue.advance(line);
        drop(state);
        next.map(Waiting::publish)
    }

    /// Hands over what was begun, and says what is next.
    pub(super) fn turn(&self, publishing: &mut impl Extend<Publishing>) -> Turn {
        let mut state = self.lock();
        publishing.extend(mem::take(&mut state.begun));
        if state.phase == Phase::Ended {
            return Turn::CutOff;
        }
        if state.queue.is_idle() {
            state.driven = false;
            return Turn::End;
        }
        Turn::Wait(state.queue.first().map(|place| place.due))
    }

    /// Takes nothing more, begins what is due, and drops what is not, or waits behind another.
    pub(super) fn close(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return;
        }
        state.phase = Phase::Closed;
        let undue = state.queue.take_undue(now);
        drop(state);
        drop(undue);
        let mut cx = Context::from_waker(Waker::noop());
        while self.begin_next(now, &mut cx) {}
        let behind = self.lock().queue.take_behind();
        drop(behind);
        self.changed.notify_one();
    }

    /// Drops everything, also what is begun.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.phase = Phase::Ended;
        let rest = (state.queue.take(), mem::take(&mut state.begun));
        drop(state);
        drop(rest);
        self.changed.notify_one();
    }

    /// The task ends before its work does: the work ends with it.
    pub(super) fn cut_off(&self) {
        let mut state = self.lock();
        state.driven = false;
        let rest = (state.queue.take(), mem::take(&mut state.begun));
        drop(state);
        drop(rest);
    }

    pub(super) fn has_ended(&self) {
        self.ended.notify_waiters();
    }

    /// Waits until there is no task.
    pub(super) async fn rest(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, or the end could pass unseen.
            ended.as_mut().enable();
            if !self.lock().driven {
                return;
            }
            ended.await;
        }
    }

    /// How many wait, due or not.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.lock().queue.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
