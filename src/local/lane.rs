use std::{
    ops::AddAssign,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{StreamExt, future::OptionFuture, stream::FuturesUnordered};

use super::{
    Buffer,
    subscriber::{Filter, Offer, Subscriber},
    subscription::Receiver,
};
use crate::observe::Ledger;

/// Where events of one kind meet their subscribers.
pub(crate) struct Lane<T> {
    /// Replaced as a whole, so that a publisher holds no lock while it delivers.
    subscribers: RwLock<Arc<[Arc<Subscriber<T>>]>>,
    closed: AtomicBool,
    ledger: Arc<Ledger>,
}

/// Whom one event reached.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) subscribers: u64,
    pub(crate) dropped: u64,
}

impl AddAssign for Reached {
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
    ) -> Receiver<T> {
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
        Receiver::new(
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

    /// Gives `item` to everyone it is for and who has room. The others are to be
    /// [waited for](Offered::wait).
    pub(crate) fn offer(&self, item: &T) -> Offered<T> {
        let mut offered = Offered {
            reached: Reached::default(),
            waiting: Vec::new(),
        };
        let (reached, mut undelivered) = (&mut offered.reached, 0);
        for subscriber in self.snapshot().iter() {
            match subscriber.offer(item) {
                Offer::Taken => reached.subscribers += 1,
                Offer::TookRoom => {
                    reached.subscribers += 1;
                    reached.dropped += 1;
                }
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
        self.ledger.dropped.add(reached.dropped);
        self.ledger.delivered.add(reached.subscribers);
        self.ledger.undelivered.add(undelivered);
        offered
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

/// An item that everyone with room has, and others do not have yet.
#[must_use = "subscribers that are full are waited for"]
pub(crate) struct Offered<T: Clone> {
    reached: Reached,
    waiting: Vec<Waiting<T>>,
}

impl<T: Clone + Send + Sync + 'static> Offered<T> {
    /// Waits for those who had no room, each at its own pace. Dropped early, it tells the ones that
    /// were not reached, and counts them.
    pub(crate) async fn wait(self) -> Reached {
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
pub(crate) async fn both<T, U>(one: Option<Offered<T>>, other: Option<Offered<U>>) -> Reached
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

impl<T> std::fmt::Debug for Lane<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}
