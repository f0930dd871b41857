use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tower::Service;

use super::{Backup, Error, Takes, shared::Local};

/// The response of a service with a fallback. Dropped before it is ready, it drops whichever call is under way.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S, Request, B, W>
where
    S: Service<Request>,
    B: Backup<Request, S::Response, S::Error>,
{
    #[pin]
    state: State<S::Future, B::Kept, B::Future, S::Error>,
    local: Arc<Local<B, W>>,
}

#[pin_project(project = StateProjection)]
enum State<F, Kept, Answer, E> {
    /// The service was called.
    Primary(#[pin] F, Option<Kept>),
    /// It has failed with this, and the fallback was called.
    Backup(#[pin] Answer, Option<E>),
    /// Neither is under way.
    Neither,
}

impl<S, Request, B, W> ResponseFuture<S, Request, B, W>
where
    S: Service<Request>,
    B: Backup<Request, S::Response, S::Error>,
{
    #[inline]
    pub(super) const fn new(call: S::Future, kept: B::Kept, local: Arc<Local<B, W>>) -> Self {
        Self {
            state: State::Primary(call, Some(kept)),
            local,
        }
    }
}

impl<S, Request, B, W> Future for ResponseFuture<S, Request, B, W>
where
    S: Service<Request>,
    B: Backup<Request, S::Response, S::Error>,
    W: Takes<S::Error>,
{
    type Output = Result<S::Response, Error<S::Error, B::Error>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut state = this.state;
        let mut failed = None;
        if let StateProjection::Primary(call, _) = state.as_mut().project() {
            match ready!(call.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response)),
                Err(error) => failed = Some(error),
            }
        }
        answer(state, this.local, failed, cx)
    }
}

/// Not in line: so small is what a call takes that does not fail. With the error of the service, if it has failed now.
#[cold]
fn answer<Request, T, E, F, B, W>(
    mut state: Pin<&mut State<F, B::Kept, B::Future, E>>,
    local: &Local<B, W>,
    failed: Option<E>,
    cx: &mut Context<'_>,
) -> Poll<Result<T, Error<E, B::Error>>>
where
    B: Backup<Request, T, E>,
    W: Takes<E>,
{
    if let (Some(error), StateProjection::Primary(_, kept)) = (failed, state.as_mut().project()) {
        if !local.takes.takes(&error) {
            return Poll::Ready(Err(Error::Inner(error)));
        }
        let kept = kept.take().expect("it fails once");
        // What the call has held is free before another begins.
        state.set(State::Neither);
        local.shared.take();
        let answer = local.backup.answer(kept, &error);
        state.set(State::Backup(answer, Some(error)));
    }
    let StateProjection::Backup(answer, primary) = state.project() else {
        panic!("polled after it had panicked");
    };
    let answer = ready!(answer.poll(cx));
    local.shared.end(answer.is_ok());
    Poll::Ready(answer.map_err(|backup| Error::Both {
        primary: primary.take().expect("it answers once"),
        backup,
    }))
}

impl<S, Request, B, W> fmt::Debug for ResponseFuture<S, Request, B, W>
where
    S: Service<Request>,
    B: Backup<Request, S::Response, S::Error>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Primary(..) => "primary",
            State::Backup(..) => "backup",
            State::Neither => "neither",
        };
        f.debug_tuple("ResponseFuture").field(&state).finish()
    }
}
