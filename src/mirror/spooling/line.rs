//! In which order do the messages of one lane get to the disk, and when may they do without it?

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use tokio::sync::Notify;

/// The order of one lane.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
    /// Something has to be looked at by the replay.
    work: Notify,
}

#[derive(Debug)]
struct State {
    /// The number of the next place.
    next: u64,
    /// Those who have a place, by its number. As many as the mirror has in hand.
    places: BTreeMap<u64, Seat>,
    /// Those who have given up their place for one in the spool, and are not on the disk yet.
    appending: usize,
    /// How many have got there, or failed to.
    appended: u64,
    /// While it is closed, all goes to the disk.
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Seat {
    waker: Option<Waker>,
    /// Its holder is sure to append.
    appends: bool,
}

impl Line {
    /// Closed at first if something lies on the disk.
    pub(super) fn new(is_closed: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                next: 0,
                places: BTreeMap::new(),
                appending: 0,
                appended: 0,
                is_closed,
            }),
            work: Notify::new(),
        })
    }

    /// The next place, given up when it is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let is_direct = !state.is_closed;
        let seat = Seat {
            waker: None,
            appends: !is_direct,
        };
        state.places.insert(number, seat);
        Place {
            line: Arc::clone(self),
            number,
            is_direct,
        }
    }

    /// How many were appended. Asked for before the disk is looked at, it says later whether that is the latest.
    pub(super) fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// Opens it, if nothing was appended since there were so many, nor is about to be. Whether it is open.
    pub(super) fn open(&self, appended: u64) -> bool {
        let mut state = self.lock();
        let is_last = state.appended == appended && state.appending == 0;
        if is_last && !state.places.values().any(|seat| seat.appends) {
            state.is_closed = false;
        }
        !state.is_closed
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Waits until it was closed, or something was appended, since the last call.
    pub(super) async fn work(&self) {
        self.work.notified().await;
    }

    pub(super) fn ring(&self) {
        self.work.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the order of a lane.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    number: u64,
    /// Nothing was before it on the disk.
    pub(super) is_direct: bool,
}

impl Place {
    /// Whether nothing is before it on the disk: it may be sent without.
    pub(super) fn is_direct(&self) -> bool {
        self.is_direct && !self.line.is_closed()
    }

    /// From now on all goes to the disk, in order; this one, too.
    pub(super) fn close(&self) {
        let wakers = {
            let mut state = self.line.lock();
            if let Some(seat) = state.places.get_mut(&self.number) {
                seat.appends = true;
            }
            if std::mem::replace(&mut state.is_closed, true) {
                return;
            }
            let seats = state.places.values_mut();
            seats
                .filter_map(|seat| seat.waker.take())
                .collect::<Vec<_>>()
        };
        self.line.ring();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the line is closed.
    pub(super) async fn closed(&self) {
        self.wait(|state, number| {
            if state.is_closed
                && let Some(seat) = state.places.get_mut(&number)
            {
                seat.appends = true;
            }
            state.is_closed
        })
        .await;
    }

    /// Waits until everybody before it has given up their place.
    pub(super) async fn turn(&self) {
        self.wait(|state, number| {
            let first = state.places.first_key_value();
            first.is_none_or(|(first, _)| *first >= number)
        })
        .await;
    }

    /// Gives it up for a place in the spool; until the guard is dropped the line stays closed.
    pub(super) fn append(self) -> Appending {
        let line = Arc::clone(&self.line);
        line.lock().appending += 1;
        Appending(line)
    }

    async fn wait(&self, is_over: impl Fn(&mut State, u64) -> bool) {
        poll_fn(|cx| {
            let mut state = self.line.lock();
            if is_over(&mut state, self.number) {
                return Poll::Ready(());
            }
            if let Some(seat) = state.places.get_mut(&self.number) {
                seat.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (next, is_closed) = {
            let mut state = self.line.lock();
            state.places.remove(&self.number);
            let first = state.places.first_entry();
            let next = first.and_then(|mut first| first.get_mut().waker.take());
            (next, state.is_closed)
        };
        if let Some(next) = next {
            next.wake();
        }
        if is_closed {
            self.line.ring();
        }
    }
}

/// Something is on its way to the disk.
#[derive(Debug)]
pub(super) struct Appending(Arc<Line>);

impl Drop for Appending {
    fn drop(&mut self) {
        {
            let mut state = self.0.lock();
            state.appending -= 1;
            state.appended += 1;
        }
        self.0.ring();
    }
}
