use std::{collections::BTreeMap, task::Waker, time::SystemTime};

use algedonic_transport::{Key, Message, Pattern};

use crate::state::ConnectionId;

/// What waits for one receiver on one lane, and what it has taken and not settled.
#[derive(Default)]
pub(crate) struct Queue {
    interest: Vec<Pattern>,
    /// By place in the order, so that what is given back returns to the place it had.
    waiting: BTreeMap<u64, Stored>,
    /// By tag.
    unsettled: BTreeMap<u64, Taken>,
    consumers: BTreeMap<ConnectionId, Option<Waker>>,
}

struct Stored {
    message: Message,
    redelivered: bool,
}

struct Taken {
    by: ConnectionId,
    place: u64,
    message: Message,
}

impl Queue {
    pub(crate) fn wants(&self, key: &Key) -> bool {
        self.interest.iter().any(|pattern| pattern.matches(key))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.len()
    }

    /// Begins to deliver to a connection, which brings its interest.
    pub(crate) fn attach(&mut self, consumer: ConnectionId, interest: Vec<Pattern>) {
        self.interest = interest;
        self.consumers.insert(consumer, None);
    }

    /// Delivers no more to a connection; its waker is given back.
    pub(crate) fn detach(&mut self, consumer: ConnectionId) -> Option<Waker> {
        self.consumers.remove(&consumer).flatten()
    }

    pub(crate) fn put(&mut self, place: u64, message: Message) {
        let redelivered = false;
        self.waiting.insert(
            place,
            Stored {
                message,
                redelivered,
            },
        );
    }

    /// The next message for a connection that has room, under `tag`; and whether it was delivered before.
    pub(crate) fn take(
        &mut self,
        by: ConnectionId,
        prefetch: usize,
        tag: u64,
    ) -> Option<(Message, bool)> {
        let held = self.unsettled.values().filter(|taken| taken.by == by);
        if held.count() >= prefetch {
            return None;
        }
        let (place, stored) = self.waiting.pop_first()?;
        let message = stored.message.clone();
        self.unsettled.insert(
            tag,
            Taken {
                by,
                place,
                message: stored.message,
            },
        );
        Some((message, stored.redelivered))
    }

    /// Removes what has expired at the head; how many that were.
    pub(crate) fn expire(&mut self) -> u64 {
        let mut expired = 0;
        while let Some(first) = self.waiting.first_entry() {
            match first.get().message.metadata.expires {
                Some(moment) if moment <= SystemTime::now() => first.remove(),
                _ => break,
            };
            expired += 1;
        }
        expired
    }

    /// Has a connection woken when something changes; a waker that this replaces is given back.
    pub(crate) fn wait(&mut self, consumer: ConnectionId, waker: &Waker) -> Option<Waker> {
        match self.consumers.get_mut(&consumer)? {
            Some(same) if same.will_wake(waker) => None,
            place => place.replace(waker.clone()),
        }
    }

    /// Whoever waits for a change.
    pub(crate) fn wakers(&mut self) -> impl Iterator<Item = Waker> + '_ {
        self.consumers.values_mut().filter_map(Option::take)
    }

    /// Ends a delivery: its message, if it was still held under this tag.
    pub(crate) fn settle(&mut self, tag: u64) -> Option<Message> {
        self.unsettled.remove(&tag).map(|taken| taken.message)
    }

    /// Puts a delivery back to its place, if it was still held under this tag.
    pub(crate) fn requeue(&mut self, tag: u64) {
        if let Some(Taken { place, message, .. }) = self.unsettled.remove(&tag) {
            let redelivered = true;
            self.waiting.insert(
                place,
                Stored {
                    message,
                    redelivered,
                },
            );
        }
    }

    /// Puts back all that a connection holds.
    pub(crate) fn requeue_of(&mut self, connection: ConnectionId) {
        let of_it = |(tag, taken): (&u64, &Taken)| (taken.by == connection).then_some(*tag);
        let tags: Vec<u64> = self.unsettled.iter().filter_map(of_it).collect();
        for tag in tags {
            self.requeue(tag);
        }
    }

    /// Forgets what is not persistent; how many that were.
    pub(crate) fn forget_transient(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|_, stored| stored.message.persistent);
        before - self.waiting.len()
    }
}
