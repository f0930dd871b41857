use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use algedonic_transport::Pattern;
use futures_core::Stream;

use crate::{
    event::AnyEnvelope,
    local::{Gap, PatternInbox},
    signal::Receiver,
    turn,
};

/// Events of any type, and signals, whose keys a pattern selects; made by
/// [`Bus::subscribe_pattern`](crate::Bus::subscribe_pattern).
///
/// Signals wait in a buffer of their own (1,024, [`Lag::Block`](crate::Lag::Block)) and come
/// first: neither a full buffer of events nor its policy touches them. The numbers of a [`Gap`] count events
/// and signals apart. Otherwise as [`Subscription`](crate::Subscription).
pub struct PatternSubscription {
    pattern: Pattern,
    signals: Receiver<AnyEnvelope>,
    events: PatternInbox,
}

impl PatternSubscription {
    pub(super) fn new(
        pattern: Pattern,
        signals: Receiver<AnyEnvelope>,
        events: PatternInbox,
    ) -> Self {
        Self {
            pattern,
            signals,
            events,
        }
    }

    /// The pattern.
    pub fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// The next event or signal, a [`Gap`], or `None` once the bus is shut down and all is read.
    pub async fn recv(&mut self) -> Option<Result<AnyEnvelope, Gap>> {
        poll_fn(|cx| self.poll_any(cx)).await
    }

    /// How many events and signals wait to be read.
    pub fn unread(&self) -> u64 {
        self.signals.unread() + self.events.unread()
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<AnyEnvelope, Gap>>> {
        ready!(turn::proceed(cx));
        match self.signals.poll_next(cx) {
            Poll::Ready(Some(item)) => Poll::Ready(Some(item)),
            Poll::Ready(None) => self.poll_events(cx),
            Poll::Pending => match self.poll_events(cx) {
                Poll::Ready(Some(item)) => Poll::Ready(Some(item)),
                // Both end at a shutdown; this one ended first.
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            },
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<AnyEnvelope, Gap>>> {
        loop {
            match self.events.poll_take(cx) {
                Poll::Ready(Some(Ok(envelope))) if envelope.has_expired() => self.events.expired(),
                item => return item,
            }
        }
    }
}

impl Stream for PatternSubscription {
    type Item = Result<AnyEnvelope, Gap>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_any(cx)
    }
}

impl fmt::Debug for PatternSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternSubscription")
            .field("pattern", &self.pattern)
            .field("unread", &self.unread())
            .finish_non_exhaustive()
    }
}
