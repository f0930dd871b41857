use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
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
    /// None before it has to wait, or an attempt has failed.
    later: Option<LaterOf<S, Request>>,
}

/// What there is from then on.
struct Later<S, Outcome> {
    attempts: Attempts,
    /// What later attempts call.
    service: Option<S>,
    /// What the last attempt said, until the next begins.
    last: Option<Outcome>,
}

type LaterOf<S, Request> = Later<S, Outcome<S, Request>>;

/// What an attempt says.
type Outcome<S, Request> =
    Result<<S as Service<Request>>::Response, <S as Service<Request>>::Error>;

impl<S, Outcome> Default for Later<S, Outcome> {
    fn default() -> Self {
        Self {
            attempts: Attempts::default(),
            service: None,
            last: None,
        }
    }
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
    pub(super) const fn new(
        call: S::Future,
        again: Option<Request>,
        local: Arc<Local<S, C>>,
    ) -> Self {
        Self {
            state: State::Called(call),
            local,
            request: again,
            later: None,
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
        let (mut state, local) = (this.state, &**this.local);
        let mut failed = None;
        if let StateProjection::Called(call) = state.as_mut().project() {
            let Poll::Ready(outcome) = call.poll(cx) else {
                if local.shared.config.max_elapsed.is_some() {
                    begin(local, this.later);
                }
                return Poll::Pending;
            };
            match local.judge(outcome) {
                Ok(outcome) => return Poll::Ready(outcome),
                Err(again) => failed = Some(again),
            }
        }
        again(state, local, this.request, this.later, failed, cx)
    }
}

/// An outcome that is not final, and how long to wait at least.
type Failed<Outcome> = (Outcome, Option<Duration>);

/// The time of a call runs.
#[cold]
fn begin<S, C, Outcome>(local: &Local<S, C>, later: &mut Option<Later<S, Outcome>>) {
    local
        .shared
        .end(&mut later.get_or_insert_default().attempts);
}

/// Not in line: so small is what a call takes whose first attempt is final. With what an attempt said, if one has failed
/// now.
#[cold]
fn again<S, Request, C>(
    mut state: Pin<&mut State<S::Future>>,
    local: &Local<S, C>,
    request: &mut Option<Request>,
    later: &mut Option<LaterOf<S, Request>>,
    mut failed: Option<Failed<Outcome<S, Request>>>,
    cx: &mut Context<'_>,
) -> Poll<Outcome<S, Request>>
where
    S: Service<Request> + Clone,
    C: Classifier<S::Response, S::Error>,
    Request: Clone,
{
    let later = later.get_or_insert_default();
    loop {
        if let Some((outcome, least)) = failed.take() {
            match local.shared.again(&mut later.attempts, least) {
                Err(why) => {
                    local.shared.give_up(why);
                    return Poll::Ready(outcome);
                }
                Ok(at) => {
                    later.last = Some(outcome);
                    state.set(State::Pausing(sleep_until(at)));
                }
            }
        }
        match state.as_mut().project() {
            StateProjection::Called(call) => {
                let Poll::Ready(outcome) = call.poll(cx) else {
                    local.shared.end(&mut later.attempts);
                    return Poll::Pending;
                };
                match local.judge(outcome) {
                    Ok(outcome) => return Poll::Ready(outcome),
                    Err(again) => failed = Some(again),
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
                    || (ready.is_pending() && timer.is_some_and(|timer| timer.poll(cx).is_ready()))
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

impl<S, C> Local<S, C> {
    /// The outcome, if it is final; else with how long to wait at least before another attempt.
    #[inline]
    fn judge<T, E>(&self, outcome: Result<T, E>) -> Result<Result<T, E>, Failed<Result<T, E>>>
    where
        C: Classifier<T, E>,
    {
        match self.classifier.decide(outcome.as_ref()) {
            Decision::Return => Ok(outcome),
            Decision::Retry => Err((outcome, None)),
            Decision::RetryAfter(least) => Err((outcome, Some(least))),
        }
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
            .field(
                "attempts",
                &self.later.as_ref().map(|later| &later.attempts),
            )
            .finish_non_exhaustive()
    }
}
