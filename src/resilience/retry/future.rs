use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service;

use super::{
    ByVerdict, Classifier, Decision, GaveUp,
    shared::{Attempts, Local},
};

/// The response of a service whose calls are tried again. Dropped, it drops the attempt under way and makes no other;
/// what it took from the budget is spent.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait before another attempt.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<S: Service<Request>, Request, C = ByVerdict> {
    #[pin]
    state: State<S::Future>,
    local: Arc<Local<S, C>>,
    /// For the next attempt; none if this is the last.
    request: Option<Request>,
    later: Later<S, Result<S::Response, S::Error>>,
}

/// What there is from the first failure on.
struct Later<S, Outcome> {
    attempts: Attempts,
    /// What later attempts call.
    service: Option<S>,
    /// What the last attempt said, until the next begins.
    last: Option<Outcome>,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Called(#[pin] F),
    /// Until the delay is over.
    Pausing(#[pin] Sleep),
    /// Until the service is ready, or it is too late for another attempt.
    Readying(#[pin] Option<Sleep>),
}

impl<S: Service<Request>, Request, C> ResponseFuture<S, Request, C> {
    #[inline]
    pub(super) fn new(call: S::Future, again: Option<Request>, local: Arc<Local<S, C>>) -> Self {
        Self {
            state: State::Called(call),
            local,
            request: again,
            later: Later {
                attempts: Attempts::default(),
                service: None,
                last: None,
            },
        }
    }
}

impl<S, Request, C> Future for ResponseFuture<S, Request, C>
where
    S: Service<Request> + Clone,
    C: Classifier<S::Response, S::Error>,
    Request: Clone,
{
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut state, local, request, later) =
            (this.state, &**this.local, this.request, this.later);
        loop {
            match state.as_mut().project() {
                StateProjection::Called(call) => {
                    let Poll::Ready(outcome) = call.poll(cx) else {
                        local.shared.end(&mut later.attempts);
                        return Poll::Pending;
                    };
                    match local.again(&mut later.attempts, outcome.as_ref()) {
                        None => return Poll::Ready(outcome),
                        Some(at) => {
                            later.last = Some(outcome);
                            state.set(State::Pausing(sleep_until(at)));
                        }
                    }
                }
                StateProjection::Pausing(timer) => {
                    ready!(timer.poll(cx));
                    let end = local.shared.end(&mut later.attempts);
                    state.set(State::Readying(end.map(sleep_until)));
                }
                StateProjection::Readying(timer) => {
                    let service = later.service.get_or_insert_with(|| local.service());
                    let ready = service.poll_ready(cx);
                    let end = timer.as_ref().as_pin_ref().map(|timer| timer.deadline());
                    let late = end.is_some_and(|end| Instant::now() > end);
                    let timer = timer.as_pin_mut();
                    if late
                        || (ready.is_pending()
                            && timer.is_some_and(|timer| timer.poll(cx).is_ready()))
                    {
                        local.shared.give_up(GaveUp::Time);
                        later.service = None;
                        return Poll::Ready(later.last.take().expect("an attempt has ended"));
                    }
                    ready!(ready)?;
                    let request = if later.attempts.is_last(&local.shared.config) {
                        request.take()
                    } else {
                        request.clone()
                    };
                    later.last = None;
                    let call = service.call(request.expect("kept for this attempt"));
                    state.set(State::Called(call));
                }
            }
        }
    }
}

impl<S, C> Local<S, C> {
    /// When to try again; none if the outcome is final.
    #[inline]
    fn again<T, E>(&self, attempts: &mut Attempts, outcome: Result<&T, &E>) -> Option<Instant>
    where
        C: Classifier<T, E>,
    {
        let least = match self.classifier.decide(outcome) {
            Decision::Return => return None,
            Decision::Retry => None,
            Decision::RetryAfter(least) => Some(least),
        };
        self.shared
            .again(attempts, least)
            .map_err(|why| self.shared.give_up(why))
            .ok()
    }
}

impl<S: Service<Request>, Request, C> fmt::Debug for ResponseFuture<S, Request, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Called(_) => "called",
            State::Pausing(_) => "pausing",
            State::Readying(_) => "readying",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .field("attempts", &self.later.attempts)
            .finish_non_exhaustive()
    }
}
