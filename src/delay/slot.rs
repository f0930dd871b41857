use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use algedonic_transport::{Error, ErrorKind};
use tracing::warn;

use super::books::{Books, End};
use crate::event::Event;

/// One delayed event, between the one that may take it back and the one that publishes it: each
/// moves out of it what nobody has moved before.
pub(crate) struct Slot<E, R> {
    state: Mutex<State<E, R>>,
    books: Arc<Books>,
}

struct State<E, R> {
    stage: Stage<E, R>,
    /// Nobody will ask for the outcome.
    detached: bool,
    /// Waits for the outcome.
    asker: Option<Waker>,
    /// Waits for room.
    publisher: Option<Waker>,
}

enum Stage<E, R> {
    /// It may be taken, by either.
    Here(E),
    /// It is published; the outcome is about to be known.
    Taken,
    Settled(Result<R, Error>),
    /// Taken back, or its outcome was collected.
    Gone,
}

impl<E: Event, R> Slot<E, R> {
    pub(crate) fn new(event: E, books: &Arc<Books>) -> Self {
        Self {
            state: Mutex::new(State {
                stage: Stage::Here(event),
                detached: false,
                asker: None,
                publisher: None,
            }),
            books: Arc::clone(books),
        }
    }

    /// Takes the event back, if it is not published. Its publisher is told.
    pub(crate) fn withdraw(&self) -> Option<E> {
        let mut state = self.lock();
        let event = state.stage.take_event(Stage::Gone)?;
        self.books.close(End::Cancelled);
        let publisher = state.publisher.take();
        drop(state);
        if let Some(waker) = publisher {
            waker.wake();
        }
        Some(event)
    }

    /// Takes the event to publish it now, unless it was taken back.
    pub(crate) fn take(&self) -> Option<E> {
        self.lock().stage.take_event(Stage::Taken)
    }

    /// Whether its publisher has nothing to do any more; otherwise it is told when that is so.
    pub(crate) fn is_withdrawn(&self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let here = matches!(state.stage, Stage::Here(_));
        let old = if here {
            state.publisher.replace(waker)
        } else {
            state.publisher.take()
        };
        drop(state);
        drop(old);
        !here
    }

    /// Says what became of it. Only the first word counts, and none after it was taken back.
    ///
    /// An event that was not published is dropped; what panics there stays there.
    pub(crate) fn settle(&self, outcome: Result<R, Error>) {
        let mut state = self.lock();
        let end = match (&state.stage, &outcome) {
            (Stage::Settled(_) | Stage::Gone, _) => return,
            (Stage::Taken, _) => End::Published,
            (Stage::Here(_), Err(error)) if error.kind() == ErrorKind::Closed => End::Abandoned,
            (Stage::Here(_), _) => End::Refused,
        };
        let told = match &outcome {
            Err(error) if state.detached && end != End::Abandoned => Some(error.clone()),
            _ => None,
        };
        self.books.close(end);
        let unpublished = mem::replace(&mut state.stage, Stage::Settled(outcome));
        let (asker, publisher) = (state.asker.take(), state.publisher.take());
        drop(state);
        if let Some(error) = told {
            warn!(event = E::NAME, %error, "a delayed event was not published");
        }
        // One by one: a waker may panic, and an event when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| asker.map(Waker::wake)));
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unpublished)));
        drop(publisher);
    }

    /// What became of it.
    ///
    /// # Panics
    ///
    /// When that was told before.
    pub(crate) fn poll_outcome(&self, cx: &Context<'_>) -> Poll<Result<R, Error>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        match mem::replace(&mut state.stage, Stage::Gone) {
            Stage::Settled(outcome) => Poll::Ready(outcome),
            Stage::Gone => {
                drop(state);
                panic!("a delayed event was polled after it had resolved");
            }
            unsettled => {
                state.stage = unsettled;
                let old = state.asker.replace(waker);
                drop(state);
                drop(old);
                Poll::Pending
            }
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.lock().stage, Stage::Settled(_) | Stage::Gone)
    }

    /// Nobody will ask for the outcome.
    pub(crate) fn detach(&self) {
        self.lock().detached = true;
    }

    fn lock(&self) -> MutexGuard<'_, State<E, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E, R> Stage<E, R> {
    /// Takes the event, if it is there; then this is the next stage.
    fn take_event(&mut self, next: Self) -> Option<E> {
        match mem::replace(self, next) {
            Self::Here(event) => Some(event),
            other => {
                *self = other;
                None
            }
        }
    }
}
