use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{
    Error,
    shared::{Entry, Held},
    wait::Wait,
};

/// Waits for a slot, and holds it while a future runs; from
/// [`BulkheadHandle::call`](super::BulkheadHandle::call).
///
/// It has its slot, or its place in the queue, before it is polled. The slot is free when the future has ended, has
/// panicked, or this is dropped.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct Scope<C, F> {
    #[pin]
    state: State<C, F>,
}

#[pin_project(project = StateProjection)]
enum State<C, F> {
    Waiting(#[pin] Wait, Option<C>),
    // In this order they are dropped.
    Running(#[pin] F, Option<Held>),
}

impl<C, F> Scope<C, F> {
    pub(super) const fn new(entry: Entry, call: C) -> Self {
        Self {
            state: State::Waiting(Wait::new(entry), Some(call)),
        }
    }
}

impl<C, F, T, E> Future for Scope<C, F>
where
    C: FnOnce() -> F,
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProjection::Waiting(wait, call) = state.as_mut().project() {
            let held = ready!(wait.poll(cx)).map_err(Error::rejected)?;
            let call = call.take().expect("waits once");
            let future = call();
            state.set(State::Running(future, Some(held)));
        }
        let StateProjection::Running(future, held) = state.project() else {
            unreachable!("it runs");
        };
        let result = ready!(future.poll(cx));
        *held = None;
        Poll::Ready(result.map_err(Error::Inner))
    }
}

impl<C, F> fmt::Debug for Scope<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting(..) => "waiting",
            State::Running(..) => "running",
        };
        f.debug_tuple("Scope").field(&state).finish()
    }
}
