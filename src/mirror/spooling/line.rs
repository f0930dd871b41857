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
    /// It is closed, and nothing new goes to the disk: what lies there is all that is to be sent before it opens.
    is_opening: bool,
}

#[derive(Debug, Default)]
struct Seat {
    waker: Option<Waker>,
    /// Its holder is sure to append.
    appends: bool,
    /// Its holder came while the line was opening, and waits for that.
    holds: bool,
}

/// How one goes on who came while the line was opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admitted {
    /// The line is open, and all who came before have left: it is to be sent now, and then [`left`](Place::left).
    Now,
    /// The line is closed, and stays so: it goes to the disk.
    ToDisk,
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
                is_opening: false,
            }),
            work: Notify::new(),
        })
    }

    /// The next place, given up when it is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        // None overtakes those who waited while it was opening.
        let holds = if state.is_closed {
            state.is_opening
        } else {
            state.holding().is_some()
        };
        let seat = Seat {
            waker: None,
            appends: state.is_closed && !holds,
            holds,
        };
        let is_direct = !state.is_closed && !holds;
        state.places.insert(number, seat);
        Place {
            line: Arc::clone(self),
            number,
            is_direct,
            holds,
        }
    }

    /// How many were appended. Asked for before the disk is looked at, it says later whether that is the latest.
    pub(super) fn appended(&self) -> u64 {
        self.lock().appended
    }

    /// Opens it, if nothing was appended since there were so many, nor is about to be. Whether it is open.
    pub(super) fn open(&self, appended: u64) -> bool {
        let (is_open, first) = {
            let mut state = self.lock();
            let is_last = state.appended == appended && state.appending == 0;
            if is_last && !state.places.values().any(|seat| seat.appends) {
                state.is_closed = false;
                state.is_opening = false;
            }
            let first = state.holding().and_then(|seat| seat.waker.take());
            (!state.is_closed, first)
        };
        if let Some(first) = first {
            first.wake();
        }
        is_open
    }

    /// Nothing is left but what came just now: from here on who comes waits, or under a steady load it would never open.
    pub(super) fn begin_opening(&self) {
        let mut state = self.lock();
        state.is_opening = state.is_closed;
    }

    /// It does not open, for now: who waited for that goes to the disk.
    pub(super) fn give_up_opening(&self) {
        let wakers = {
            let mut state = self.lock();
            if !std::mem::take(&mut state.is_opening) {
                return;
            }
            state.send_to_disk()
        };
        wakers.into_iter().for_each(Waker::wake);
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

impl State {
    /// The first who waits for the line to open.
    fn holding(&mut self) -> Option<&mut Seat> {
        self.places.values_mut().find(|seat| seat.holds)
    }

    /// Nobody waits for it to open any more; gives who is to be woken.
    fn send_to_disk(&mut self) -> Vec<Waker> {
        let holding = self.places.values_mut().filter(|seat| seat.holds);
        holding
            .filter_map(|seat| {
                seat.holds = false;
                seat.appends = true;
                seat.waker.take()
            })
            .collect()
    }
}

/// A place in the order of a lane.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    number: u64,
    /// Nothing was before it on the disk.
    pub(super) is_direct: bool,
    /// It came while the line was opening, or behind others who had, and is to be [admitted](Self::admitted).
    pub(super) holds: bool,
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
            // Those too who were still waiting to be sent.
            let mut wakers = state.send_to_disk();
            let seats = state.places.values_mut();
            wakers.extend(seats.filter_map(|seat| seat.waker.take()));
            wakers
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

    /// Waits until the line has opened, or will not for now.
    pub(super) async fn admitted(&self) -> Admitted {
        let mut admitted = Admitted::ToDisk;
        self.wait(|state, number| {
            if state.places.get(&number).is_none_or(|seat| !seat.holds) {
                return true;
            }
            let first = state.places.iter().find(|(_, seat)| seat.holds);
            let is_first = first.is_some_and(|(first, _)| *first == number);
            if is_first && !state.is_closed {
                admitted = Admitted::Now;
            }
            admitted == Admitted::Now
        })
        .await;
        admitted
    }

    /// It has been sent: the next may be.
    pub(super) fn left(&self) {
        let next = {
            let mut state = self.line.lock();
            if let Some(seat) = state.places.get_mut(&self.number) {
                seat.holds = false;
            }
            state.holding().and_then(|seat| seat.waker.take())
        };
        if let Some(next) = next {
            next.wake();
        }
    }

    /// It waits no longer for the line to open, and so nobody does.
    pub(super) fn give_up_opening(&self) {
        self.line.give_up_opening();
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

    async fn wait(&self, mut is_over: impl FnMut(&mut State, u64) -> bool) {
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
            let first = first.and_then(|mut first| first.get_mut().waker.take());
            let held = state.holding().and_then(|seat| seat.waker.take());
            ([first, held], state.is_closed)
        };
        next.into_iter().flatten().for_each(Waker::wake);
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
