use std::{fmt, hash::Hash, num::NonZeroUsize, sync::Arc};

use tower::layer::util::{Identity, Stack};

use super::{HandlerSet, Retry, order::Order};
use crate::{
    event::Event,
    local::{Buffer, Local},
    observe::Ledger,
};

/// Sets up a handler; made by [`Bus::on`](crate::Bus::on).
#[must_use = "a handler begins with `handle` or `service`"]
pub struct HandlerBuilder<'a, E, L = Identity> {
    pub(super) local: &'a Local,
    pub(super) handlers: &'a HandlerSet,
    pub(super) ledger: &'a Arc<Ledger>,
    pub(super) buffer: Option<Buffer>,
    pub(super) name: Option<Arc<str>>,
    pub(super) group: Option<Arc<str>>,
    pub(super) order: Order<E>,
    pub(super) concurrency: NonZeroUsize,
    pub(super) retry: Retry,
    pub(super) layers: L,
}

impl<'a, E: Event> HandlerBuilder<'a, E> {
    pub(crate) fn new(local: &'a Local, handlers: &'a HandlerSet, ledger: &'a Arc<Ledger>) -> Self {
        Self {
            local,
            handlers,
            ledger,
            buffer: None,
            name: None,
            group: None,
            order: Order::Free,
            concurrency: NonZeroUsize::MIN,
            retry: Retry::NEVER,
            layers: Identity::new(),
        }
    }
}

impl<'a, E: Event, L> HandlerBuilder<'a, E, L> {
    /// Where events wait for the handler; by default 1,024 of them, then publishers wait
    /// ([`Lag::Block`](crate::Lag::Block)): a handler sees every event. With `Block`, handlers that
    /// publish to each other in a circle, faster than they take, end up waiting for each other.
    ///
    /// As many events again may be out of the buffer and not in hand: parked behind their key, or
    /// waiting for a retry. When they are, or when the handler's hands are full, no more are taken
    /// from the buffer. (Those in hand may join them when they fail.) A group has the buffer of its
    /// first handler; another one is ignored, and logged.
    pub fn buffer(mut self, buffer: Buffer) -> Self {
        self.buffer = Some(buffer);
        self
    }

    /// What the handler is called in logs and dead letters; by default the event's name.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes the handler one of a group: of all handlers of this event type and group name, each
    /// event goes to exactly one, whichever has a free hand first.
    ///
    /// A group begins with its first handler and ends with its last. What a handler that leaves has
    /// not begun stays for the others; an event of its that waits for a retry, too. Retries, layers,
    /// concurrency and name are each handler's own; the buffer and the order key are the group's,
    /// set by its first handler. Without [`keyed`](Self::keyed) a group handles in any order.
    pub fn group(mut self, group: impl Into<Arc<str>>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Handles the events of one order key strictly one after another, in the order in which they
    /// came; other keys go on meanwhile, as far as [`concurrency`](Self::concurrency) allows. An
    /// event that waits for its retry holds up its key, and is not in hand.
    ///
    /// Keys are compared exactly. In a group, one key is never in hand at two handlers at once. The
    /// function should be quick and give the same key for the same event; if it panics, the event is
    /// a dead letter.
    ///
    /// When more events of held-up keys come than there is room for ([`buffer`](Self::buffer)), the
    /// other keys wait as well.
    pub fn keyed<K, F>(mut self, key: F) -> Self
    where
        F: Fn(&E) -> K + Send + Sync + 'static,
        K: Hash + Eq + Send + Sync + 'static,
    {
        self.order = Order::keyed(key);
        self
    }

    /// How many events may be in hand at once; 1 by default.
    ///
    /// With 1, and neither a key nor a group, events are handled strictly in order, and one that
    /// waits for its retry holds up all others. With more and without a key, they are handled in
    /// any order. All run in the handler's one task: they take turns at their awaits, and do not
    /// compute on several threads at once.
    ///
    /// # Panics
    ///
    /// When `events` is 0.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.concurrency = NonZeroUsize::new(events).expect("a handler has at least one hand");
        self
    }

    /// How often a failed event is tried again, and when; by default never ([`Retry::NEVER`]): one
    /// that fails is a dead letter.
    ///
    /// An event whose [`expires`](crate::Metadata::expires) has passed is not tried again, but counted as
    /// expired; a dead letter that is redriven is tried however old it is.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Wraps the handler in a tower layer: a timeout, a limit. The last one added is the outermost.
    ///
    /// Each attempt passes through the layers. A layer's own error is a failed attempt like any
    /// other, to be retried; so is one that says the service cannot become ready.
    pub fn layer<M>(self, layer: M) -> HandlerBuilder<'a, E, Stack<L, M>> {
        HandlerBuilder {
            local: self.local,
            handlers: self.handlers,
            ledger: self.ledger,
            buffer: self.buffer,
            name: self.name,
            group: self.group,
            order: self.order,
            concurrency: self.concurrency,
            retry: self.retry,
            layers: Stack::new(self.layers, layer),
        }
    }
}

impl<E, L> fmt::Debug for HandlerBuilder<'_, E, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBuilder")
            .field("name", &self.name)
            .field("group", &self.group)
            .field("buffer", &self.buffer)
            .field("order", &self.order)
            .field("concurrency", &self.concurrency)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
