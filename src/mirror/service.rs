use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use algedonic_transport::{BoxFuture, Error, EventId, Message, Outcome, Transport};
use tower::Service;

use super::latest::Latest;

/// A transport as a tower service: what the layers of a [`Mirror`](crate::Mirror) wrap.
///
/// Always ready. A message has its place in the order from the moment of `call`.
#[derive(Clone)]
pub struct TransportService {
    transport: Arc<dyn Transport>,
    in_doubt: Arc<InDoubt>,
}

impl TransportService {
    pub(super) fn new(transport: Arc<dyn Transport>, in_doubt: Arc<InDoubt>) -> Self {
        Self {
            transport,
            in_doubt,
        }
    }
}

/// Which of the latest messages had an attempt that may have left: a layer that tries again can end
/// with one that did not.
#[derive(Debug)]
pub(crate) struct InDoubt(Mutex<Latest<EventId>>);

/// More than can be in flight on any transport.
const REMEMBERED: usize = 8192;

impl Default for InDoubt {
    fn default() -> Self {
        Self(Mutex::new(Latest::new(REMEMBERED)))
    }
}

impl InDoubt {
    pub(super) fn contains(&self, id: EventId) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(id)
    }

    fn insert(&self, id: EventId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id);
    }
}

impl Service<Message> for TransportService {
    type Response = Outcome;
    type Error = Error;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, message: Message) -> Sending {
        Sending {
            id: message.metadata.id,
            outcome: Some(self.transport.send(message)),
            in_doubt: Arc::clone(&self.in_doubt),
        }
    }
}

impl fmt::Debug for TransportService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransportService")
            .field(&self.transport.name())
            .finish()
    }
}

/// The future of a [`TransportService`]. Dropped before it resolves, its message may have left.
pub struct Sending {
    id: EventId,
    /// None once it has resolved.
    outcome: Option<BoxFuture<Result<Outcome, Error>>>,
    in_doubt: Arc<InDoubt>,
}

impl Future for Sending {
    type Output = Result<Outcome, Error>;

    /// # Panics
    ///
    /// When it is polled after it has resolved.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = self.outcome.as_mut().expect("polled after it has resolved");
        let outcome = ready!(outcome.as_mut().poll(cx));
        self.outcome = None;
        if matches!(outcome, Ok(Outcome::Unknown { .. })) {
            self.in_doubt.insert(self.id);
        }
        Poll::Ready(outcome)
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.outcome.is_some() {
            self.in_doubt.insert(self.id);
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}
