use std::{
    ops::AddAssign,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{StreamExt, future::OptionFuture, stream::FuturesUnordered};

use super::{
    receiver::Receiver,
    subscriber::{Filter, Offer, Subscriber},
};
use crate::observe::Ledger;

/// Where signals meet their subscribers, each of which has a queue of its own.
pub(super) struct Channel<T> {
    /// Replaced as a whole, so that a publisher holds no lock while it delivers.
    subscribers: RwLock<Arc<[Arc<Subscriber<T>>]>>,
    closed: AtomicBool,
    ledger: Arc<Ledger>,
}

/// Whom one signal reached.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) subscribers: u64,
}

impl AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.subscribers += other.subscribers;
    }
}

impl<T: Clone + Send + Sync + 'static> Channel<T> {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            subscribers: RwLock::new(Arc::new([])),
            closed: AtomicBool::new(false),
            ledger: Arc::clone(ledger),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.snapshot().is_empty()
    }

    /// Adds a subscriber; it gets what is published from now on.
    pub(super) fn subscribe(self: &Arc<Self>, filter: Filter<T>) -> Receiver<T> {
        let (subscriber, receiver) = Subscriber::new(filter);
        let subscriber = Arc::new(subscriber);
        {
            let mut subscribers = self.write();
            *subscribers = subscribers.iter().chain([&subscriber]).cloned().collect();
        }
        // Read after the push: either `close` saw the new one, or the flag is seen here.
        if self.closed.load(Ordering::SeqCst) {
            subscriber.close();
        }
        Receiver::new(receiver, subscriber, Arc::downgrade(self))
    }

    pub(super) fn unsubscribe(&self, subscriber: &Arc<Subscriber<T>>) {
        let mut subscribers = self.write();
        *subscribers = subscribers
            .iter()
            .filter(|other| !Arc::ptr_eq(other, subscriber))
            .cloned()
            .collect();
    }

    /// Gives `item` to everyone it is for and who has room. The others are to be
    /// [waited for](Offered::wait).
    pub(super) fn offer(&self, item: &T) -> Offered<T> {
        let mut offered = Offered {
            reached: Reached::default(),
            waiting: Vec::new(),
        };
        let (reached, mut undelivered) = (&mut offered.reached, 0);
        for subscriber in self.snapshot().iter() {
            match subscriber.offer(item) {
                Offer::Taken => reached.subscribers += 1,
                Offer::Full => offered.waiting.push(Waiting {
                    subscriber: Arc::clone(subscriber),
                    item: Some(item.clone()),
                    ledger: Arc::clone(&self.ledger),
                }),
                // Either the subscriber is leaving, which is no loss, or the bus is being shut down.
                Offer::Closed => undelivered += u64::from(self.closed.load(Ordering::SeqCst)),
                Offer::NotWanted => {}
            }
        }
        self.ledger.delivered.add(reached.subscribers);
        self.ledger.undelivered.add(undelivered);
        offered
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for subscriber in self.snapshot().iter() {
            subscriber.close();
        }
    }

    pub(super) fn unread(&self) -> u64 {
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

/// An item that everyone with room has, and others do not have yet.
#[must_use = "subscribers that are full are waited for"]
pub(super) struct Offered<T: Clone> {
    reached: Reached,
    waiting: Vec<Waiting<T>>,
}

impl<T: Clone + Send + Sync + 'static> Offered<T> {
    /// Waits for those who had no room, each at its own pace. Dropped early, it tells the ones that
    /// were not reached, and counts them.
    pub(super) async fn wait(self) -> Reached {
        let Self {
            mut reached,
            waiting,
        } = self;
        if !waiting.is_empty() {
            let mut waiting: FuturesUnordered<_> = waiting.into_iter().map(Waiting::give).collect();
            while let Some(given) = waiting.next().await {
                reached.subscribers += u64::from(given);
            }
        }
        reached
    }
}

/// Waits for both at once.
pub(super) async fn both<T, U>(one: Option<Offered<T>>, other: Option<Offered<U>>) -> Reached
where
    T: Clone + Send + Sync + 'static,
    U: Clone + Send + Sync + 'static,
{
    let (one, other) = tokio::join!(
        OptionFuture::from(one.map(Offered::wait)),
        OptionFuture::from(other.map(Offered::wait)),
    );
    let mut reached = one.unwrap_or_default();
    reached += other.unwrap_or_default();
    reached
}

/// A subscriber that an item has yet to reach.
struct Waiting<T: Clone> {
    subscriber: Arc<Subscriber<T>>,
    /// None once it is settled.
    item: Option<T>,
    ledger: Arc<Ledger>,
}

impl<T: Clone> Waiting<T> {
    /// False if the subscriber went away.
    async fn give(mut self) -> bool {
        let Some(item) = self.item.clone() else {
            return false;
        };
        let given = self.subscriber.give(item).await;
        self.item = None;
        if given {
            self.ledger.delivered.add(1);
        } else {
            self.ledger.undelivered.add(1);
        }
        given
    }
}

impl<T: Clone> Drop for Waiting<T> {
    fn drop(&mut self) {
        if self.item.is_some() {
            self.subscriber.missed_one();
            self.ledger.undelivered.add(1);
        }
    }
}

impl<T> std::fmt::Debug for Channel<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
