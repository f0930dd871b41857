use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::SystemTime,
};

use async_broadcast::RecvError;
use futures_core::Stream;

use super::{Gap, lane::Lane, subscriber::Subscriber};
use crate::{
    event::{AnyEnvelope, Envelope},
    observe::Ledger,
};

/// The receiving end of one lane. Dropped, it leaves the lane at once, and releases a publisher
/// that waits for it.
pub(crate) struct Receiver<T: Clone + Send + Sync + 'static> {
    channel: async_broadcast::Receiver<T>,
    subscriber: Arc<Subscriber<T>>,
    lane: Weak<Lane<T>>,
    ledger: Arc<Ledger>,
}

/// What a receiver must know of its items.
pub(crate) trait Perishable {
    fn expires(&self) -> Option<SystemTime>;
}

impl<E> Perishable for Envelope<E> {
    fn expires(&self) -> Option<SystemTime> {
        self.metadata().expires
    }
}

impl Perishable for AnyEnvelope {
    fn expires(&self) -> Option<SystemTime> {
        self.metadata().expires
    }
}

impl<T: Clone + Send + Sync + 'static> Receiver<T> {
    pub(super) fn new(
        channel: async_broadcast::Receiver<T>,
        subscriber: Arc<Subscriber<T>>,
        lane: Weak<Lane<T>>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            channel,
            subscriber,
            lane,
            ledger,
        }
    }

    pub(crate) fn unread(&self) -> u64 {
        self.subscriber.unread()
    }
}

impl<T: Perishable + Clone + Send + Sync + 'static> Receiver<T> {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Gap>>> {
        loop {
            let untold = self.subscriber.take_untold();
            if untold > 0 {
                return Poll::Ready(Some(Err(Gap { missed: untold })));
            }
            let item = match ready!(Pin::new(&mut self.channel).poll_recv(cx)) {
                Some(Ok(item)) => item,
                Some(Err(RecvError::Overflowed(missed))) => {
                    return Poll::Ready(Some(Err(Gap { missed })));
                }
                Some(Err(RecvError::Closed)) | None => return Poll::Ready(None),
            };
            if item.expires().is_some_and(|end| end <= SystemTime::now()) {
                self.ledger.expired.add(1);
                continue;
            }
            return Poll::Ready(Some(Ok(item)));
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Receiver<T> {
    fn drop(&mut self) {
        // First the channel, so that nobody waits for room in it any more.
        self.channel.close();
        if let Some(lane) = self.lane.upgrade() {
            lane.unsubscribe(&self.subscriber);
        }
    }
}

/// Events of one type, in the order in which each publisher published them; made by
/// [`Bus::subscribe`](crate::Bus::subscribe).
///
/// A [`Stream`] of `Result<Envelope<E>, Gap>`: a [`Gap`] stands where events were dropped, and the
/// stream goes on after it. (The loss of a cancelled `publish` is told at once, before what is still
/// buffered.) It ends when the bus is shut down, after what was buffered. An event
/// whose [`expires`](crate::Metadata::expires) has passed is left out, and counted.
///
/// Both `recv` and the stream's `next` may be dropped at any time without losing an event.
/// Dropping the subscription unsubscribes, and releases a publisher that waits for it.
pub struct Subscription<E: Send + Sync + 'static> {
    receiver: Receiver<Envelope<E>>,
}

impl<E: Send + Sync + 'static> Subscription<E> {
    pub(crate) fn new(receiver: Receiver<Envelope<E>>) -> Self {
        Self { receiver }
    }

    /// The next event, a [`Gap`], or `None` once the bus is shut down and all is read.
    pub async fn recv(&mut self) -> Option<Result<Envelope<E>, Gap>> {
        std::future::poll_fn(|cx| self.receiver.poll_next(cx)).await
    }

    /// How many events wait to be read.
    pub fn unread(&self) -> u64 {
        self.receiver.unread()
    }
}

impl<E: Send + Sync + 'static> Stream for Subscription<E> {
    type Item = Result<Envelope<E>, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_next(cx)
    }
}

impl<E: Send + Sync + 'static> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("event", &std::any::type_name::<E>())
            .field("unread", &self.unread())
            .finish_non_exhaustive()
    }
}
