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
    /// Whether one is set: every publish asks, and this is quicker to look at.
    static SCOPED: Cell<bool> = const { Cell::new(false) };
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
        SCOPED.get()
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
        Scoped(CURRENT.scope(self, future))
    }
}

/// A future that runs with a [`Cause`]; made by [`Cause::scope`].
#[pin_project]
pub struct Scoped<F>(#[pin] TaskLocalFuture<Cause, F>);

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = Scope(SCOPED.replace(true));
        self.project().0.poll(cx)
    }
}

/// While it lives, a cause is set; then it is as before.
struct Scope(bool);

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPED.set(self.0);
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
