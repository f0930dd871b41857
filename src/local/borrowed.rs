use std::{
    fmt,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use algedonic_transport::{EventId, Key, Metadata};

use super::{Gap, Subscription};
use crate::event::{Cause, Envelope, Event, Sealed};

/// An event that a [`Subscription`] lends, with its metadata; derefs to the event. Made by
/// [`Subscription::recv_ref`], and by [`Batch::iter`].
pub struct EventRef<'a, E: Event> {
    subscription: &'a Subscription<E>,
    sealed: &'a Sealed<E>,
    at: usize,
}

impl<'a, E: Event> EventRef<'a, E> {
    #[inline]
    pub(super) fn new(subscription: &'a Subscription<E>, sealed: &'a Sealed<E>, at: usize) -> Self {
        Self {
            subscription,
            sealed,
            at,
        }
    }

    /// The event, for as long as it is lent.
    pub fn get(&self) -> &'a E {
        self.sealed.event()
    }

    /// The identity of this instance.
    pub fn id(&self) -> EventId {
        self.sealed.id()
    }

    /// When it was published, by the system's clock: to some 10 µs.
    pub fn time(&self) -> SystemTime {
        self.sealed.time()
    }

    /// The routing key of this instance.
    pub fn key(&self) -> &Key {
        self.sealed.key(self.subscription.lane().origin())
    }

    /// Everything about the event but the event.
    pub fn metadata(&self) -> Metadata {
        self.sealed.metadata(self.subscription.lane().origin())
    }

    /// What an event has to carry that is published because of this one.
    pub fn cause(&self) -> Cause {
        Cause::of(&self.metadata())
    }

    /// The same event, to keep.
    pub fn to_envelope(&self) -> Envelope<E> {
        self.subscription.lent_envelope(self.at)
    }
}

impl<E: Event> Clone for EventRef<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Event> Copy for EventRef<'_, E> {}

impl<E: Event> Deref for EventRef<'_, E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        self.sealed.event()
    }
}

impl<E: Event + fmt::Debug> fmt::Debug for EventRef<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventRef")
            .field("metadata", &self.metadata())
            .field("event", &**self)
            .finish()
    }
}

/// Events that a [`Subscription`] lends together, at least one, in order; made by
/// [`Subscription::recv_many`].
pub struct Batch<'a, E: Event> {
    subscription: &'a Subscription<E>,
}

impl<'a, E: Event> Batch<'a, E> {
    #[inline]
    pub(super) fn new(subscription: &'a Subscription<E>) -> Self {
        Self { subscription }
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.subscription.lent_count()
    }

    /// Each of them, in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = EventRef<'a, E>> + use<'a, E> {
        let subscription = self.subscription;
        (0..self.len()).map(|at| subscription.lent(at))
    }
}

impl<E: Event> fmt::Debug for Batch<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish()
    }
}

/// Lends events, and gives them a form: one, or a batch.
pub(super) struct Lend<'a, E: Event, F> {
    /// None at the end.
    pub(super) subscription: Option<&'a mut Subscription<E>>,
    pub(super) limit: u64,
    pub(super) form: F,
}

impl<'a, E: Event, T, F: Fn(&'a Subscription<E>) -> T + Unpin> Future for Lend<'a, E, F> {
    type Output = Option<Result<T, Gap>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let limit = self.limit;
        let subscription = self.subscription.as_mut().expect("polled after its end");
        let lent = ready!(subscription.poll_lend(cx, limit));
        let subscription = self.subscription.take();
        Poll::Ready(
            lent.map(|lent| lent.map(|()| (self.form)(subscription.expect("it was there")))),
        )
    }
}
