use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Buffer, Gap, Lag,
    sync::{Mutex, lock, wake},
    waiters::{Ticket, Waiters},
};
use crate::observe::{Account, Settled};

/// A queue for one subscriber alone: for those who do not follow a lane's log. They have a pattern, keep the
/// oldest ([`Lag::DropNewest`]), or have publishing fail ([`Lag::Error`]).
pub(crate) struct Inbox<T> {
    buffer: Buffer,
    /// By handlers, if they drive it.
    settled: Option<Arc<Settled>>,
    state: Mutex<State<T>>,
}

struct State<T> {
    queue: VecDeque<Entry<T>>,
    /// How many are missing after the newest in the queue.
    missed: u64,
    /// The number of the next item, or of the gap before it.
    number: u64,
    /// What publishers have been promised to take; the end comes after it.
    reserved: usize,
    reader: Option<Waker>,
    waiters: Waiters,
    /// Nothing more comes.
    closed: bool,
    /// The reader has gone.
    gone: bool,
    account: Account,
}

/// What a subscriber that leaves had not read, of an inbox or of the log.
pub(crate) struct Rest<T> {
    pub(crate) items: VecDeque<T>,
    /// How many are missing among them.
    pub(crate) missed: u64,
}

struct Entry<T> {
    /// How many are missing before it.
    missed: u64,
    item: T,
}

impl<T> Inbox<T> {
    pub(crate) fn new(buffer: Buffer, settled: Option<Arc<Settled>>) -> Self {
        Self {
            buffer,
            settled,
            state: Mutex::new(State {
                queue: VecDeque::new(),
                missed: 0,
                number: 0,
                reserved: 0,
                reader: None,
                waiters: Waiters::default(),
                closed: false,
                gone: false,
                account: Account::default(),
            }),
        }
    }

    pub(crate) fn buffer(&self) -> Buffer {
        self.buffer
    }

    /// Promises to take one item, and room for it where the policy asks for room. False if it is full,
    /// or after its end.
    pub(super) fn reserve(&self) -> bool {
        let mut state = lock(&self.state);
        let full = self.is_lossless() && state.is_full(self.buffer);
        let free = !full && !state.closed;
        state.reserved += usize::from(free);
        free
    }

    fn is_lossless(&self) -> bool {
        matches!(self.buffer.lag, Lag::Block | Lag::Error)
    }

    /// Gives a promise back.
    pub(super) fn unreserve(&self) {
        let (reader, waker) = {
            let mut state = lock(&self.state);
            state.reserved -= 1;
            // The end may have waited for nothing else.
            let ended = state.closed && state.reserved == 0;
            let reader = if ended { state.reader.take() } else { None };
            (reader, state.waiters.pop())
        };
        reader.into_iter().for_each(wake);
        waker.into_iter().for_each(wake);
    }

    /// Waits for room. False if there is some now.
    pub(super) fn wait(&self, ticket: Ticket, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        let full = state.is_full(self.buffer) && !state.closed;
        let replaced = if full {
            state.waiters.register(ticket, waker)
        } else {
            None
        };
        drop(state);
        drop(replaced);
        full
    }

    /// Ends the wait of a publisher. False if it had been woken.
    pub(super) fn leave(&self, ticket: Ticket) -> bool {
        let waker = lock(&self.state).waiters.remove(ticket);
        waker.is_some()
    }

    /// Wakes the next publisher, where one was woken that has no use for the room, if that is
    /// still there.
    pub(super) fn wake_next(&self) {
        let waker = {
            let mut state = lock(&self.state);
            if state.is_full(self.buffer) {
                None
            } else {
                state.waiters.pop()
            }
        };
        waker.into_iter().for_each(wake);
    }

    /// Adds an item that was [promised](Self::reserve) to be taken. False if it is not taken. What is not
    /// kept is to be dropped later: that may panic, and others are still to get theirs.
    pub(super) fn put(&self, item: T, leftovers: &mut Vec<T>) -> bool {
        let mut state = lock(&self.state);
        let (taken, leftover) = match state.put(self.buffer, item) {
            Ok(displaced) => (true, displaced),
            Err(refused) => (false, Some(refused)),
        };
        let waker = if taken { state.reader.take() } else { None };
        drop(state);
        waker.into_iter().for_each(wake);
        leftovers.extend(leftover);
        taken
    }

    /// The next item, or the gap before it.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Gap>>> {
        let mut state = lock(&self.state);
        let waker;
        let result = match state
            .queue
            .front_mut()
            .map(|entry| mem::take(&mut entry.missed))
        {
            Some(0) => {
                let entry = state.queue.pop_front().expect("there is a front");
                state.number += 1;
                waker = state.waiters.pop();
                Ok(entry.item)
            }
            Some(missed) => return Poll::Ready(Some(Err(state.gap(missed)))),
            // Nothing is queued: tell at once, not only when the next one comes.
            None if state.missed > 0 => {
                let missed = mem::take(&mut state.missed);
                return Poll::Ready(Some(Err(state.gap(missed))));
            }
            None if state.closed && state.reserved == 0 => return Poll::Ready(None),
            None => {
                let replaced = state.reader.replace(cx.waker().clone());
                drop(state);
                // It may own anything.
                drop(replaced);
                return Poll::Pending;
            }
        };
        drop(state);
        waker.into_iter().for_each(wake);
        Poll::Ready(Some(result))
    }

    /// Counts items that were taken and then left out, because their time had passed.
    pub(crate) fn expired(&self) {
        lock(&self.state).account.expired += 1;
    }

    /// The reader gets what is queued, then the end.
    pub(crate) fn close(&self) {
        let (reader, waiters) = {
            let mut state = lock(&self.state);
            state.closed = true;
            (state.reader.take(), state.waiters.pop_up_to(u64::MAX))
        };
        reader.into_iter().for_each(wake);
        waiters.into_iter().for_each(wake);
    }

    /// The reader goes: nothing is put any more, and who waits is let go. What was unread it takes along;
    /// if it does not want that (`take`), it counts as abandoned.
    pub(crate) fn quit(&self, take: bool) -> Rest<T> {
        let (queue, wakers, _reader) = {
            let mut state = lock(&self.state);
            state.gone = true;
            let queue = mem::take(&mut state.queue);
            if !take {
                state.account.abandoned += queue.len() as u64;
            }
            let reader = state.reader.take();
            (queue, state.waiters.pop_up_to(u64::MAX), reader)
        };
        wakers.into_iter().for_each(wake);
        let missed = queue.iter().map(|entry| entry.missed).sum();
        Rest {
            items: queue.into_iter().map(|entry| entry.item).collect(),
            missed,
        }
    }

    pub(crate) fn settled(&self) -> Option<&Arc<Settled>> {
        self.settled.as_ref()
    }

    pub(crate) fn unread(&self) -> u64 {
        lock(&self.state).queue.len() as u64
    }

    pub(crate) fn account(&self) -> Account {
        let account = lock(&self.state).account();
        match &self.settled {
            None => account,
            Some(settled) => settled.complete(account),
        }
    }

    /// What the reader has taken, whether it is settled or not.
    pub(crate) fn taken(&self) -> Account {
        lock(&self.state).account()
    }
}

impl<T> State<T> {
    fn is_full(&self, buffer: Buffer) -> bool {
        !self.gone && self.queue.len() + self.reserved >= buffer.capacity.get()
    }

    /// The item that made room, or the error of one that found none.
    fn put(&mut self, buffer: Buffer, item: T) -> Result<Option<T>, T> {
        self.reserved -= 1;
        if self.gone {
            return Err(item);
        }
        self.account.offered += 1;
        let full = self.queue.len() >= buffer.capacity.get();
        let mut displaced = None;
        if full && buffer.lag == Lag::DropNewest {
            self.missed += 1;
            self.account.dropped += 1;
            return Err(item);
        }
        if full && let Some(oldest) = self.queue.pop_front() {
            self.account.dropped += 1;
            let missed = oldest.missed + 1;
            match self.queue.front_mut() {
                Some(next) => next.missed += missed,
                None => self.missed += missed,
            }
            displaced = Some(oldest.item);
        }
        let missed = mem::take(&mut self.missed);
        self.queue.push_back(Entry { missed, item });
        Ok(displaced)
    }

    fn gap(&mut self, missed: u64) -> Gap {
        let gap = Gap::new(self.number, missed);
        self.number += missed;
        gap
    }

    fn account(&self) -> Account {
        let in_flight = self.queue.len() as u64;
        let Account {
            offered,
            dropped,
            expired,
            abandoned,
            ..
        } = self.account;
        Account {
            in_flight,
            delivered: offered - dropped - expired - abandoned - in_flight,
            ..self.account
        }
    }
}
