use std::{marker::PhantomData, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::task::AbortHandle;
use tower::BoxError;
use tracing::{error, warn};

use super::HandlerSet;
use crate::{
    event::{Envelope, Event},
    local::{Buffer, Local, Subscription},
    observe::Ledger,
};

/// Sets up a handler; made by [`Bus::on`](crate::Bus::on).
#[derive(Debug)]
#[must_use = "a handler begins with `handle`"]
pub struct HandlerBuilder<'a, E> {
    local: &'a Local,
    handlers: &'a HandlerSet,
    ledger: &'a Arc<Ledger>,
    buffer: Buffer,
    event: PhantomData<fn(E)>,
}

impl<'a, E: Event> HandlerBuilder<'a, E> {
    pub(crate) fn new(local: &'a Local, handlers: &'a HandlerSet, ledger: &'a Arc<Ledger>) -> Self {
        Self {
            local,
            handlers,
            ledger,
            buffer: Buffer::block(1024),
            event: PhantomData,
        }
    }

    /// Where events wait for the handler; by default 1,024 of them, then publishers wait
    /// ([`Lag::Block`](crate::Lag::Block)): a handler sees every event. With `Block`, handlers that
    /// publish to each other in a circle, faster than they take, end up waiting for each other.
    pub fn buffer(mut self, buffer: Buffer) -> Self {
        self.buffer = buffer;
        self
    }

    /// Calls `handler` for one event after another, in a task of its own.
    ///
    /// Whatever is published inside carries the event as its [`Cause`](crate::Cause). An error is
    /// logged and counted ([`Counts::failed`](crate::Counts::failed)); so is a panic
    /// ([`Counts::panicked`](crate::Counts::panicked)); both end the event, not the handler.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn handle<F, Fut, Err>(self, handler: F) -> Handler
    where
        F: FnMut(Envelope<E>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Err>> + Send + 'static,
        Err: Into<BoxError> + 'static,
    {
        let inlet = self.local.subscribe(self.buffer, false);
        let work = drive(inlet, handler, Arc::clone(self.ledger));
        Handler {
            task: Some(self.handlers.spawn(work)),
        }
    }
}

/// A handler at work. Dropped with work left, it counts it: an aborted handler loses its events.
struct Shift<E: Event> {
    subscription: Subscription<E>,
    in_hand: u64,
    ledger: Arc<Ledger>,
}

impl<E: Event> Drop for Shift<E> {
    fn drop(&mut self) {
        let abandoned = self.subscription.unread() + self.in_hand;
        self.ledger.abandoned.add(abandoned);
    }
}

async fn drive<E, F, Fut, Err>(subscription: Subscription<E>, mut handler: F, ledger: Arc<Ledger>)
where
    E: Event,
    F: FnMut(Envelope<E>) -> Fut,
    Fut: Future<Output = Result<(), Err>>,
    Err: Into<BoxError>,
{
    let mut shift = Shift {
        subscription,
        in_hand: 0,
        ledger: Arc::clone(&ledger),
    };
    while let Some(item) = shift.subscription.recv().await {
        let envelope = match item {
            Ok(envelope) => envelope,
            Err(gap) => {
                warn!(event = E::NAME, missed = gap.missed, "a handler lagged");
                continue;
            }
        };
        shift.in_hand = 1;
        let (id, cause) = (envelope.id(), envelope.cause());
        // The call itself may panic, too: it is inside.
        let work = cause.scope(async { handler(envelope).await });
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(())) => ledger.handled.add(1),
            Ok(Err(failure)) => {
                ledger.failed.add(1);
                let failure: BoxError = failure.into();
                error!(event = E::NAME, %id, error = %failure, "a handler failed");
            }
            Err(_) => {
                ledger.panicked.add(1);
                error!(event = E::NAME, %id, "a handler panicked");
            }
        }
        shift.in_hand = 0;
    }
}

/// A running handler. Dropped, it unsubscribes at once, and the event in hand is abandoned;
/// [`detach`](Self::detach) leaves it running until the bus ends.
#[derive(Debug)]
#[must_use = "dropped, it ends the handler; `detach` it to let it run as long as the bus"]
pub struct Handler {
    /// None once it is detached.
    task: Option<AbortHandle>,
}

impl Handler {
    /// Lets the handler run until the bus is shut down or dropped.
    pub fn detach(mut self) {
        self.task = None;
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.task.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
