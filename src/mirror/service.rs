use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use algedonic_transport::{BoxFuture, Error, Message, Outcome, Transport};
use tower::Service;

/// A transport as a tower service: what the layers of a [`Mirror`](crate::Mirror) wrap.
///
/// Always ready. A message has its place in the order from the moment of `call`.
#[derive(Clone)]
pub struct TransportService(Arc<dyn Transport>);

impl TransportService {
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self(transport)
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
        Sending(self.0.send(message))
    }
}

impl fmt::Debug for TransportService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransportService")
            .field(&self.0.name())
            .finish()
    }
}

/// The future of a [`TransportService`].
pub struct Sending(BoxFuture<Result<Outcome, Error>>);

impl Future for Sending {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}
