use std::{
    ops::AddAssign,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Buffer,
    subscriber::{Filter, Offer, Subscriber},
    subscription::Inlet,
};
use crate::observe::Ledger;

/// Where events of one kind meet their subscribers.
pub(crate) struct Lane<T> {
    /// Replaced as a whole, so that a publisher holds no lock while it delivers.
    subscribers: RwLock<Arc<[Arc<Subscriber<T>>]>>,
    closed: AtomicBool,
    ledger: Arc<Ledger>,
}

/// To whom one event went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) subscribers: u64,
    pub(crate) dropped: u64,
}

impl AddAssign for Spread {
    fn add_assign(&mut self, other: Self) {
        self.subscribers += other.subscribers;
        self.dropped += other.dropped;
    }
}

impl<T: Clone + Send + Sync + 'static> Lane<T> {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            subscribers: RwLock::new(Arc::new([])),
            closed: AtomicBool::new(false),
            ledger: Arc::clone(ledger),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.snapshot().is_empty()
    }

    /// Adds a subscriber; it gets what is published from now on.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        buffer: Buffer,
        filter: Option<Filter<T>>,
    ) -> Inlet<T> {
        let (subscriber, receiver) = Subscriber::new(buffer, filter);
        let subscriber = Arc::new(subscriber);
        {
            let mut subscribers = self.write();
            *subscribers = subscribers.iter().chain([&subscriber]).cloned().collect();
        }
        // Read after the push: either `close` saw the new one, or the flag is seen here.
        if self.closed.load(Ordering::SeqCst) {
            subscriber.close();
        }
        Inlet::new(
            receiver,
            subscriber,
            Arc::downgrade(self),
            Arc::clone(&self.ledger),
        )
    }

    pub(super) fn unsubscribe(&self, subscriber: &Arc<Subscriber<T>>) {
        let mut subscribers = self.write();
        *subscribers = subscribers
            .iter()
            .filter(|other| !Arc::ptr_eq(other, subscriber))
            .cloned()
            .collect();
    }

    /// Gives `item` to everyone it is for; waits only for subscribers that chose `Block` and are full.
    ///
    /// Dropped while it waits, it has still reached everyone who had room; the others are told of a
    /// gap, and the loss is counted.
    pub(crate) async fn deliver(&self, item: T) -> Spread {
        let mut spread = Spread::default();
        let mut full = Vec::new();
        for subscriber in self.snapshot().iter() {
            match subscriber.offer(&item) {
                Offer::Taken => spread.subscribers += 1,
                Offer::TookRoom => {
                    spread.subscribers += 1;
                    spread.dropped += 1;
                }
                Offer::Full => full.push(Arc::clone(subscriber)),
                Offer::NotWanted => {}
            }
        }
        self.ledger.dropped.add(spread.dropped);
        self.ledger.delivered.add(spread.subscribers);
        if !full.is_empty() {
            spread.subscribers += self.wait_for(full, item).await;
        }
        spread
    }

    async fn wait_for(&self, full: Vec<Arc<Subscriber<T>>>, item: T) -> u64 {
        let mut waiting = Waiting {
            subscribers: full,
            ledger: &self.ledger,
        };
        let mut reached = 0;
        while let Some(subscriber) = waiting.subscribers.last() {
            if subscriber.give(item.clone()).await {
                reached += 1;
                self.ledger.delivered.add(1);
            } else {
                self.ledger.undelivered.add(1);
            }
            waiting.subscribers.pop();
        }
        reached
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for subscriber in self.snapshot().iter() {
            subscriber.close();
        }
    }

    pub(crate) fn unread(&self) -> u64 {
        self.snapshot()
            .iter()
            .map(|subscriber| subscriber.unread())
            .sum()
    }

    fn snapshot(&self) -> Arc<[Arc<Subscriber<T>>]> {
        let subscribers = self.subscribers.read();
        Arc::clone(&subscribers.unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Arc<[Arc<Subscriber<T>>]>> {
        self.subscribers
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Subscribers that an event has yet to reach. Dropped early, it tells them.
struct Waiting<'a, T: Clone> {
    subscribers: Vec<Arc<Subscriber<T>>>,
    ledger: &'a Ledger,
}

impl<T: Clone> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        for subscriber in &self.subscribers {
            subscriber.missed_one();
            self.ledger.undelivered.add(1);
        }
    }
}

impl<T> std::fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}
