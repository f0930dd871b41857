use std::sync::Arc;

use tokio::sync::oneshot;
use tower::{BoxError, Layer, Service};
use tracing::warn;

use super::{
    Fail, Handler, HandlerBuilder, HandlerService,
    account::Account,
    inbox::Inbox,
    member::{Member, Shift},
    order::Order,
    retry::Backoff,
};
use crate::{
    event::{Envelope, Event},
    local::Buffer,
    observe::Settled,
};

/// As many as a subscription's by default; and what is full makes publishers wait.
const BUFFER: Buffer = Buffer::block(1024);

impl<E, L> HandlerBuilder<'_, E, L>
where
    E: Event,
    L: Layer<HandlerService<E>>,
    L::Service: Service<Envelope<E>, Response = ()> + Send + 'static,
    <L::Service as Service<Envelope<E>>>::Error: Into<BoxError>,
    <L::Service as Service<Envelope<E>>>::Future: Send + 'static,
{
    /// Calls `handler` for each event, in a task of the handler's own.
    ///
    /// Whatever is published inside carries the event as its [`Cause`](crate::Cause). `Ok` settles
    /// the event. An error is logged and counted ([`Counts::failed`](crate::Counts::failed)); the
    /// event is tried again if both the error (see [`Fail`]) and [`retry`](Self::retry) allow it,
    /// else it goes to the [`dead_letters`](crate::Bus::dead_letters). A panic is counted
    /// ([`Counts::panicked`](crate::Counts::panicked)), never retried, and a dead letter. None of
    /// them ends the handler.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, or one without timers where retries are allowed; and when the
    /// handlers of one group are keyed in part.
    pub fn handle<F, Fut, Err>(self, handler: F) -> Handler
    where
        F: FnMut(Envelope<E>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Err>> + Send + 'static,
        Err: Into<Fail> + 'static,
    {
        self.start(HandlerService::from_fn(handler))
    }

    /// As [`handle`](Self::handle), with a tower service.
    ///
    /// An event is in hand from before the service is asked whether it is ready; so an idle handler
    /// holds nothing of a limit that it shares.
    ///
    /// # Panics
    ///
    /// As [`handle`](Self::handle).
    pub fn service<S>(self, service: S) -> Handler
    where
        S: Service<Envelope<E>, Response = ()> + Clone + Send + 'static,
        S::Error: Into<Fail>,
        S::Future: Send + 'static,
    {
        self.start(HandlerService::new(service))
    }

    fn start(self, service: HandlerService<E>) -> Handler {
        let service = self.layers.layer(service);
        let buffer = self.buffer.unwrap_or(BUFFER);
        let (keyed, handlers) = (self.order.is_keyed(), self.handlers);
        let order = match self.order {
            // One after another is an order, too; with several members it cannot be had.
            Order::Free if self.concurrency.get() == 1 && self.group.is_none() => Order::single(),
            order => order,
        };
        let make = |group| {
            let settled = Arc::<Settled>::default();
            let inlet = self.local.subscribe_handler(buffer, Arc::clone(&settled));
            Inbox::new(inlet, settled, buffer, order, group)
        };
        let inbox = match self.group {
            None => Arc::new(make(None)),
            Some(name) => handlers
                .groups
                .join(&name, keyed, || make(Some(Arc::clone(&name)))),
        };
        if self.buffer.is_some_and(|buffer| buffer != inbox.buffer) {
            warn!(
                event = E::NAME,
                group = inbox.group.as_deref(),
                "a handler joined a group that has another buffer: the group's holds",
            );
        }
        let (ledger, settled) = (Arc::clone(self.ledger), Arc::clone(&inbox.settled));
        let account = Arc::new(Account::new(ledger, settled));
        let (drain, told) = oneshot::channel();
        let member = Arc::new(Member::new(
            inbox,
            self.name.unwrap_or_else(|| E::NAME.into()),
            Arc::clone(&account),
            Backoff::new(self.retry),
            handlers.dead_letters(),
        ));
        let leaving = Arc::downgrade(&member);
        let shift = Shift::new(member, self.concurrency.get(), told);
        let task = handlers.spawn(shift.work(service));
        Handler::new(task, drain, account, move || {
            if let Some(member) = leaving.upgrade() {
                member.leave_to_others();
            }
        })
    }
}
