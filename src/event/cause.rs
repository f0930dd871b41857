use std::{
    cell::Cell,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use algedonic_transport::{CorrelationId, EventId, Metadata, TraceContext};
use pin_project::pin_project;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static CURRENT: Cause;
}

thread_local! {
    /// In how many scopes we are: every publish asks, and this is quicker to look at.
    static SCOPES: Cell<usize> = const { Cell::new(0) };
}

/// Why an event is published: the event being handled, and the conversation both belong to.
///
/// Inside a handler, and inside [`scope`](Self::scope), whatever is published carries the cause
/// without the caller's doing. A task spawned there is outside again: give it the cause with
/// `tokio::spawn(envelope.cause().scope(..))`.
#[derive(Clone, Debug)]
pub struct Cause {
    correlation: CorrelationId,
    causation: EventId,
    trace: Option<TraceContext>,
}

impl Cause {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            correlation: metadata.correlation.clone(),
            causation: metadata.id,
            trace: metadata.trace.clone(),
        }
    }

    /// The cause that holds here, if any.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Whether one holds here.
    #[inline]
    pub(crate) fn is_set() -> bool {
        SCOPES.get() > 0
    }

    /// The event that is the cause.
    pub fn id(&self) -> EventId {
        self.causation
    }

    /// The conversation.
    pub fn correlation(&self) -> &CorrelationId {
        &self.correlation
    }

    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_ref()
    }

    /// Runs `future` with this as its cause.
    pub fn scope<F: Future>(self, future: F) -> Scoped<F> {
        Scoped {
            _enter: Enter,
            future: CURRENT.scope(self, future),
            _leave: Leave,
        }
    }
}

/// A future that runs with a [`Cause`]; made by [`Cause::scope`].
///
/// Where it is dropped before its end, what is dropped with it is in the scope as well.
#[pin_project]
pub struct Scoped<F> {
    /// Dropped first.
    _enter: Enter,
    #[pin]
    future: TaskLocalFuture<Cause, F>,
    /// Dropped last.
    _leave: Leave,
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        drop(Enter);
        let _leave = Leave;
        self.project().future.poll(cx)
    }
}

/// Dropped, it enters a scope.
struct Enter;

impl Drop for Enter {
    fn drop(&mut self) {
        SCOPES.set(SCOPES.get() + 1);
    }
}

/// Dropped, it leaves a scope.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        SCOPES.set(SCOPES.get() - 1);
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
