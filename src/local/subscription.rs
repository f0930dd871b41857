use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::SystemTime,
};

use async_broadcast::{Receiver, RecvError};
use futures_core::Stream;

use super::{Gap, lane::Lane, subscriber::Subscriber};
use crate::{
    event::{AnyEnvelope, Envelope},
    observe::Ledger,
};

/// The receiving end of one lane. Dropped, it leaves the lane at once, and releases a publisher
/// that waits for it.
pub(crate) struct Inlet<T: Clone + Send + Sync + 'static> {
    receiver: Receiver<T>,
    subscriber: Arc<Subscriber<T>>,
    lane: Weak<Lane<T>>,
    ledger: Arc<Ledger>,
}

/// What an inlet must know of its items.
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

impl<T: Clone + Send + Sync + 'static> Inlet<T> {
    pub(super) fn new(
        receiver: Receiver<T>,
        subscriber: Arc<Subscriber<T>>,
        lane: Weak<Lane<T>>,
        ledger: Arc<Ledger>,
    ) -> Self {
        Self {
            receiver,
            subscriber,
            lane,
            ledger,
        }
    }

    pub(crate) fn unread(&self) -> u64 {
        self.subscriber.unread()
    }
}

impl<T: Perishable + Clone + Send + Sync + 'static> Inlet<T> {
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Gap>>> {
        loop {
            let untold = self.subscriber.take_untold();
            if untold > 0 {
                return Poll::Ready(Some(Err(Gap { missed: untold })));
            }
            let item = match ready!(Pin::new(&mut self.receiver).poll_recv(cx)) {
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

impl<T: Clone + Send + Sync + 'static> Drop for Inlet<T> {
    fn drop(&mut self) {
        // First the channel, so that nobody waits for room in it any more.
        self.receiver.close();
        if let Some(lane) = self.lane.upgrade() {
            lane.unsubscribe(&self.subscriber);
        }
    }
}

/// Events of one type, in the order in which each publisher published them; made by
/// [`Bus::subscribe`](crate::Bus::subscribe).
///
/// A [`Stream`] of `Result<Envelope<E>, Gap>`: a [`Gap`] stands where events are missing, and the
/// stream goes on after it. It ends when the bus is shut down, after what was buffered. An event
/// whose [`expires`](crate::Metadata::expires) has passed is left out, and counted.
///
/// Both `recv` and the stream's `next` may be dropped at any time without losing an event.
/// Dropping the subscription unsubscribes, and releases a publisher that waits for it.
pub struct Subscription<E: Send + Sync + 'static> {
    inlet: Inlet<Envelope<E>>,
}

impl<E: Send + Sync + 'static> Subscription<E> {
    pub(crate) fn new(inlet: Inlet<Envelope<E>>) -> Self {
        Self { inlet }
    }

    /// The next event, a [`Gap`], or `None` once the bus is shut down and all is read.
    pub async fn recv(&mut self) -> Option<Result<Envelope<E>, Gap>> {
        std::future::poll_fn(|cx| self.inlet.poll_next(cx)).await
    }

    /// How many events wait to be read.
    pub fn unread(&self) -> u64 {
        self.inlet.unread()
    }
}

impl<E: Send + Sync + 'static> Stream for Subscription<E> {
    type Item = Result<Envelope<E>, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inlet.poll_next(cx)
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
