use std::{collections::BTreeMap, task::Waker};

use algedonic_transport::{EventId, Key, Message, Pattern};
use tokio::time::Instant;

use crate::{state::ConnectionId, stored::Stored};

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

struct Taken {
    by: ConnectionId,
    place: u64,
    stored: Stored,
    /// Its settlement will not arrive: the connection is cut instead.
    cut: bool,
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

    /// How many will move by themselves, if somebody is there to take them.
    pub(crate) fn in_motion(&self) -> usize {
        if self.consumers.is_empty() {
            return 0;
        }
        self.waiting.len() + self.unsettled.len()
    }

    /// How often a message that is here was delivered.
    pub(crate) fn deliveries(&self, id: EventId) -> Option<u32> {
        let held = self.unsettled.values().map(|taken| &taken.stored);
        let mut all = self.waiting.values().chain(held);
        let found = all.find(|stored| stored.message.metadata.id == id);
        found.map(|stored| stored.deliveries)
    }

    /// Begins to deliver to a connection, which brings its interest; that of others who are there stays.
    pub(crate) fn attach(&mut self, consumer: ConnectionId, interest: Vec<Pattern>) {
        if self.consumers.is_empty() {
            self.interest.clear();
        }
        for pattern in interest {
            if !self.interest.contains(&pattern) {
                self.interest.push(pattern);
            }
        }
        self.consumers.insert(consumer, None);
    }

    /// Delivers no more to a connection; its waker is given back.
    pub(crate) fn detach(&mut self, consumer: ConnectionId) -> Option<Waker> {
        self.consumers.remove(&consumer).flatten()
    }

    pub(crate) fn put(&mut self, place: u64, stored: Stored) {
        self.waiting.insert(place, stored);
    }

    /// The next message, for a connection that has room.
    pub(crate) fn next_for(&mut self, by: ConnectionId, prefetch: usize) -> Option<&mut Stored> {
        let held = self.unsettled.values().filter(|taken| taken.by == by);
        if held.count() >= prefetch {
            return None;
        }
        self.waiting.values_mut().next()
    }

    /// Gives the next message to a connection, under `tag`; and how often it was delivered by now.
    pub(crate) fn take(&mut self, by: ConnectionId, tag: u64, cut: bool) -> Option<(Message, u32)> {
        let (place, mut stored) = self.waiting.pop_first()?;
        let message = stored.message.clone();
        stored.deliveries += 1;
        stored.judged = false;
        let deliveries = stored.deliveries;
        self.unsettled.insert(
            tag,
            Taken {
                by,
                place,
                stored,
                cut,
            },
        );
        Some((message, deliveries))
    }

    /// Removes the first if its time is over.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<Stored> {
        let first = self.waiting.first_entry()?;
        first.get().is_over(now).then(|| first.remove())
    }

    /// Removes the first.
    pub(crate) fn pop_first(&mut self) -> Option<Stored> {
        self.waiting.pop_first().map(|(_, stored)| stored)
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

    /// Whose connection is to be cut instead of the settlement of this delivery.
    pub(crate) fn cut_by(&self, tag: u64) -> Option<ConnectionId> {
        let taken = self.unsettled.get(&tag)?;
        taken.cut.then_some(taken.by)
    }

    /// Ends a delivery: what it was, if it was still held under this tag.
    pub(crate) fn settle(&mut self, tag: u64) -> Option<Stored> {
        self.unsettled.remove(&tag).map(|taken| taken.stored)
    }

    /// Puts a delivery back to its place, if it was still held under this tag; unless it has come back too often:
    /// then it is given to the caller.
    pub(crate) fn requeue(&mut self, tag: u64, limit: Option<u32>) -> Option<Stored> {
        let Taken { place, stored, .. } = self.unsettled.remove(&tag)?;
        if limit.is_some_and(|limit| stored.deliveries > limit) {
            return Some(stored);
        }
        self.waiting.insert(place, stored);
        None
    }

    /// Puts back all that a connection holds; what has come back too often is given to the caller.
    pub(crate) fn requeue_of(&mut self, by: ConnectionId, limit: Option<u32>) -> Vec<Stored> {
        let of_it = |(tag, taken): (&u64, &Taken)| (taken.by == by).then_some(*tag);
        let tags: Vec<u64> = self.unsettled.iter().filter_map(of_it).collect();
        let requeued = tags.into_iter().map(|tag| self.requeue(tag, limit));
        requeued.flatten().collect()
    }

    /// Forgets what is not persistent; how many that were.
    pub(crate) fn forget_transient(&mut self) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|_, stored| stored.message.persistent);
        before - self.waiting.len()
    }
}
