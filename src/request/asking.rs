use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use algedonic_transport::{CorrelationId, EventId, Metadata};
use tokio::time::Instant;

use super::{Asked, Outcome, Request, Requests, exchange::ask, registry::Registry};

/// A year is as good as for ever, and can be added to the clock.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A request about to be asked; made by [`Bus::request`](crate::Bus::request). Awaiting it asks.
#[must_use = "a request is asked when it is awaited"]
pub struct Asking<R: Request> {
    registry: Arc<Registry>,
    request: R,
    metadata: Metadata,
    timeout: Duration,
}

impl<R: Request> Asking<R> {
    pub(crate) fn new(requests: &Requests, request: R, metadata: Metadata) -> Self {
        Self {
            registry: Arc::clone(requests.registry()),
            request,
            metadata,
            timeout: R::TIMEOUT,
        }
    }

    /// How long to wait for the answer, all in all: for room, for a responder, for its work.
    /// [`Request::TIMEOUT`] without it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The conversation; without it the cause's, and without a cause the request's own id.
    pub fn correlation(mut self, id: CorrelationId) -> Self {
        self.metadata.correlation = id;
        self
    }

    /// The identity of the request: what a responder publishes carries it as its causation.
    pub fn id(&self) -> EventId {
        self.metadata.id
    }
}

impl<R: Request> IntoFuture for Asking<R> {
    type Output = Outcome<R>;
    type IntoFuture = Answer<R>;

    /// Starts the clock; asks when it is first polled.
    fn into_future(self) -> Answer<R> {
        let deadline = Instant::now() + self.timeout.min(LONGEST);
        let asked = Asked::new(self.request, self.metadata, deadline);
        Answer(Box::pin(ask(self.registry, asked)))
    }
}

/// The answer to a request, as a future; made by awaiting [`Asking`].
///
/// Holds no bus: it resolves within the deadline, also when the bus ends meanwhile.
///
/// # Cancellation
///
/// Dropped, a request that waits is taken back, and the work of a responder that has begun is
/// dropped at its next await.
///
/// # Panics
///
/// Polled outside a tokio runtime with its timers enabled, or after it has resolved.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Answer<R: Request>(Pin<Box<dyn Future<Output = Outcome<R>> + Send>>);

impl<R: Request> Future for Answer<R> {
    type Output = Outcome<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<R>> {
        self.0.as_mut().poll(cx)
    }
}

impl<R: Request> fmt::Debug for Asking<R> {
    /// Without the request, which may hold what does not belong in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("metadata", &self.metadata)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<R: Request> fmt::Debug for Answer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Answer").field(&R::NAME).finish()
    }
}
