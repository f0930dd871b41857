use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_broadcast::{Receiver, Sender, TrySendError};

/// How many unread signals a subscriber holds before raising one waits for it: a signal is not
/// dropped.
pub(super) const CAPACITY: usize = 1024;

/// Whether a subscriber wants an item.
pub(super) type Filter<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// The publisher's view of one subscriber.
///
/// Each has a broadcast channel of its own, so that one who is full keeps a signal from nobody else.
pub(super) struct Subscriber<T> {
    sender: Sender<T>,
    filter: Filter<T>,
    /// How many wait for room: who comes now is behind them.
    waiting: AtomicUsize,
    /// Events it should have had and will not get, and has not been told of.
    untold: AtomicU64,
}

/// What became of an item that was offered.
pub(super) enum Offer {
    Taken,
    Full,
    /// The subscriber has left, or the lane has ended.
    Closed,
    NotWanted,
}

impl<T: Clone> Subscriber<T> {
    pub(super) fn new(filter: Filter<T>) -> (Self, Receiver<T>) {
        let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
        let subscriber = Self {
            sender,
            filter,
            waiting: AtomicUsize::new(0),
            untold: AtomicU64::new(0),
        };
        (subscriber, receiver)
    }

    pub(super) fn offer(&self, item: &T) -> Offer {
        if !(self.filter)(item) {
            return Offer::NotWanted;
        }
        if self.waiting.load(Ordering::Relaxed) > 0 && !self.sender.is_closed() {
            return Offer::Full;
        }
        match self.sender.try_broadcast(item.clone()) {
            Ok(_) => Offer::Taken,
            Err(TrySendError::Full(_)) => Offer::Full,
            Err(TrySendError::Closed(_) | TrySendError::Inactive(_)) => Offer::Closed,
        }
    }

    /// Waits for room. False if the subscriber went away meanwhile.
    pub(super) async fn give(&self, item: T) -> bool {
        let _waiting = Waiting::begin(&self.waiting);
        self.sender.broadcast_direct(item).await.is_ok()
    }

    pub(super) fn missed_one(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// The events it has missed without being told; from now on it has been.
    pub(super) fn take_untold(&self) -> u64 {
        if self.untold.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.untold.swap(0, Ordering::Relaxed)
    }

    pub(super) fn close(&self) {
        self.sender.close();
    }

    pub(super) fn unread(&self) -> u64 {
        self.sender.len() as u64
    }
}

/// One of those who wait.
struct Waiting<'count>(&'count AtomicUsize);

impl<'count> Waiting<'count> {
    fn begin(count: &'count AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
