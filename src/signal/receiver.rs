use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
};

use async_broadcast::RecvError;
use futures_core::Stream;

use super::{Signal, channel::Channel, subscriber::Subscriber};
use crate::{event::Envelope, local::Gap, turn};

/// The receiving end of one channel. Dropped, it leaves the channel at once, and releases a publisher
/// that waits for it.
pub(crate) struct Receiver<T: Clone + Send + Sync + 'static> {
    queue: async_broadcast::Receiver<T>,
    subscriber: Arc<Subscriber<T>>,
    channel: Weak<Channel<T>>,
    /// The number of the next signal.
    number: u64,
}

impl<T: Clone + Send + Sync + 'static> Receiver<T> {
    pub(super) fn new(
        queue: async_broadcast::Receiver<T>,
        subscriber: Arc<Subscriber<T>>,
        channel: Weak<Channel<T>>,
    ) -> Self {
        Self {
            queue,
            subscriber,
            channel,
            number: 0,
        }
    }

    pub(crate) fn unread(&self) -> u64 {
        self.subscriber.unread()
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Gap>>> {
        let untold = self.subscriber.take_untold();
        if untold > 0 {
            let gap = Gap::new(self.number, untold);
            self.number += untold;
            return Poll::Ready(Some(Err(gap)));
        }
        Pin::new(&mut self.queue)
            .poll_recv(cx)
            .map(|item| match item? {
                Ok(item) => {
                    self.number += 1;
                    Some(Ok(item))
                }
                // A channel of signals drops nothing for a newer one, so this does not overflow.
                Err(RecvError::Closed | RecvError::Overflowed(_)) => None,
            })
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for Receiver<T> {
    fn drop(&mut self) {
        // First the queue, so that nobody waits for room in it any more.
        self.queue.close();
        if let Some(channel) = self.channel.upgrade() {
            channel.unsubscribe(&self.subscriber);
        }
    }
}

/// Algedonic signals; made by [`Bus::signals`](crate::Bus::signals).
///
/// A [`Stream`] of `Result<Envelope<Signal>, Gap>`. A [`Gap`] tells of signals whose raising was cancelled
/// while it waited for this subscriber, which was full; nothing else is ever missing. It ends when the bus is
/// shut down, after what was buffered.
///
/// Both `recv` and the stream's `next` may be dropped at any time without losing a signal.
/// Dropping the subscription unsubscribes, and releases a publisher that waits for it.
pub struct SignalSubscription(Receiver<Envelope<Signal>>);

impl SignalSubscription {
    pub(super) fn new(receiver: Receiver<Envelope<Signal>>) -> Self {
        Self(receiver)
    }

    /// The next signal, a [`Gap`], or `None` once the bus is shut down and all is read.
    pub async fn recv(&mut self) -> Option<Result<Envelope<Signal>, Gap>> {
        poll_fn(|cx| self.poll_signal(cx)).await
    }

    fn poll_signal(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Envelope<Signal>, Gap>>> {
        ready!(turn::proceed(cx));
        self.0.poll_next(cx)
    }

    /// How many signals wait to be read.
    pub fn unread(&self) -> u64 {
        self.0.unread()
    }
}

impl Stream for SignalSubscription {
    type Item = Result<Envelope<Signal>, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_signal(cx)
    }
}

impl fmt::Debug for SignalSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalSubscription")
            .field("unread", &self.unread())
            .finish_non_exhaustive()
    }
}
