use std::sync::atomic::{AtomicU64, Ordering};

use async_broadcast::{Receiver, Sender, TrySendError};

use super::{Buffer, Lag};

/// Whether a subscriber wants an item.
pub(crate) type Filter<T> = Box<dyn Fn(&T) -> bool + Send + Sync>;

/// The publisher's view of one subscriber: its buffer and its policy.
///
/// Each has a broadcast channel of its own, because there capacity and overflow belong to the
/// channel, and here they belong to the subscriber.
pub(crate) struct Subscriber<T> {
    sender: Sender<T>,
    filter: Option<Filter<T>>,
    /// Events it should have had and will not get, and has not been told of.
    untold: AtomicU64,
}

/// What became of an item that was offered.
pub(crate) enum Offer {
    Taken,
    /// Taken, and the oldest one dropped for it.
    TookRoom,
    Full,
    /// The subscriber has left, or the lane has ended.
    Closed,
    NotWanted,
}

impl<T: Clone> Subscriber<T> {
    pub(crate) fn new(buffer: Buffer, filter: Option<Filter<T>>) -> (Self, Receiver<T>) {
        let (mut sender, receiver) = async_broadcast::broadcast(buffer.capacity.get());
        sender.set_overflow(buffer.lag == Lag::DropOldest);
        let subscriber = Self {
            sender,
            filter,
            untold: AtomicU64::new(0),
        };
        (subscriber, receiver)
    }

    pub(crate) fn offer(&self, item: &T) -> Offer {
        if self.filter.as_ref().is_some_and(|wants| !wants(item)) {
            return Offer::NotWanted;
        }
        match self.sender.try_broadcast(item.clone()) {
            Ok(None) => Offer::Taken,
            Ok(Some(_oldest)) => Offer::TookRoom,
            Err(TrySendError::Full(_)) => Offer::Full,
            Err(TrySendError::Closed(_) | TrySendError::Inactive(_)) => Offer::Closed,
        }
    }

    /// Waits for room. False if the subscriber went away meanwhile.
    pub(crate) async fn give(&self, item: T) -> bool {
        self.sender.broadcast_direct(item).await.is_ok()
    }

    pub(crate) fn missed_one(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
    }

    /// The events it has missed without being told; from now on it has been.
    pub(crate) fn take_untold(&self) -> u64 {
        if self.untold.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.untold.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.sender.close();
    }

    pub(crate) fn unread(&self) -> u64 {
        self.sender.len() as u64
    }
}
