//! What is tried again, without losing its place?

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use algedonic_transport::{BoxFuture, Message, Outcome};
use pin_project::pin_project;
use tower::Service;

use super::{
    line::{Line, Place},
    recovery::Recovery,
};
use crate::{
    Verdict,
    mirror::service::InDoubt,
    resilience::{
        Classify, Kind,
        retry::{self, Attempts},
    },
};

/// Tries again what failed in a way that may pass, as [`resilience::retry`](crate::resilience::retry) does, with its
/// delays and its budget; and keeps the order of each key.
pub(super) struct InOrder<S> {
    inner: S,
    local: Arc<Local<S>>,
}

pub(super) struct Shared {
    pub(super) retry: Arc<retry::Shared>,
    pub(super) line: Arc<Line>,
    pub(super) in_doubt: Arc<InDoubt>,
    pub(super) recovery: Arc<Recovery>,
}

struct Local<S> {
    shared: Shared,
    /// What later attempts call a clone of, so that the first clones nothing.
    template: Mutex<S>,
}

impl<S: Clone> InOrder<S> {
    pub(super) fn new(inner: S, shared: Shared) -> Self {
        let template = Mutex::new(inner.clone());
        Self {
            inner,
            local: Arc::new(Local { shared, template }),
        }
    }
}

impl<S: Clone> Clone for InOrder<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            local: Arc::clone(&self.local),
        }
    }
}

impl<S> Service<Message> for InOrder<S>
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Error: Classify + Send,
    S::Future: Send,
{
    type Response = Outcome;
    type Error = S::Error;
    type Future = Trying<S>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.local.shared.line.poll_open(cx));
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, message: Message) -> Trying<S> {
        let Shared { retry, line, .. } = &self.local.shared;
        retry.deposit();
        // Before the call, which may panic.
        let place = line.enter(&message.metadata.key);
        Trying {
            first: Some(message.clone()),
            place: Some(place),
            stage: Stage::First(self.inner.call(message)),
            local: Arc::clone(&self.local),
        }
    }
}

/// The future of [`InOrder`].
#[pin_project]
pub(super) struct Trying<S: Service<Message>> {
    #[pin]
    stage: Stage<S::Future, S::Error>,
    /// None once the first attempt has ended.
    place: Option<Place>,
    first: Option<Message>,
    local: Arc<Local<S>>,
}

#[pin_project(project = StageProjection)]
enum Stage<F, E> {
    First(#[pin] F),
    /// What few need is boxed.
    Later(BoxFuture<Result<Outcome, E>>),
}

impl<S> Future for Trying<S>
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Error: Classify + Send,
    S::Future: Send,
{
    type Output = Result<Outcome, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.stage.as_mut().project() {
                StageProjection::First(call) => {
                    let outcome = ready!(call.poll(cx));
                    let ended = this.place.take().zip(this.first.take());
                    let (place, message) = ended.expect("polled after it has resolved");
                    if !may_pass(outcome.as_ref()) {
                        place.end(this.local.may_have_left(outcome.as_ref(), &message));
                        return Poll::Ready(outcome);
                    }
                    let later = again(Arc::clone(this.local), place, message, outcome);
                    this.stage.set(Stage::Later(Box::pin(later)));
                }
                StageProjection::Later(later) => return later.as_mut().poll(cx),
            }
        }
    }
}

/// Whether to try again: what was not answered, or not reached.
fn may_pass<E: Classify>(outcome: Result<&Outcome, &E>) -> bool {
    match outcome.map_err(Classify::class) {
        Ok(outcome) => matches!(outcome, Outcome::Unknown { .. }),
        Err(class) => class.kind() != Kind::LocalRejection && class.verdict() == Verdict::Transient,
    }
}

impl<S: Clone> Local<S> {
    /// Whether an attempt with the message may have left.
    fn may_have_left<E>(&self, outcome: Result<&Outcome, &E>, message: &Message) -> bool {
        outcome.is_ok() || self.shared.in_doubt.contains(message.metadata.id)
    }

    fn service(&self) -> S {
        let template = self.template.lock();
        template.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All attempts after the first, whose outcome `last` is.
async fn again<S>(
    local: Arc<Local<S>>,
    mut place: Place,
    message: Message,
    mut last: Result<Outcome, S::Error>,
) -> Result<Outcome, S::Error>
where
    S: Service<Message, Response = Outcome> + Clone + Send + 'static,
    S::Error: Classify + Send,
    S::Future: Send,
{
    let shared = &local.shared;
    let mut attempts = Attempts::default();
    while may_pass(last.as_ref()) {
        let left = local.may_have_left(last.as_ref(), &message);
        place.wait(left);
        // What a breaker counts as a failure of a link that is down ends with the link.
        shared.recovery.look();
        let pause = last
            .as_ref()
            .err()
            .and_then(|error| error.class().retry_after());
        let at = match shared.retry.again(&mut attempts, pause) {
            Ok(at) => at,
            Err(why) => {
                shared.retry.give_up(why);
                break;
            }
        };
        if !place.turn(at).await {
            break;
        }
        shared.recovery.look_if_tripped();
        let mut service = local.service();
        if let Err(error) = poll_fn(|cx| service.poll_ready(cx)).await {
            last = Err(error);
            break;
        }
        place.call();
        let call = service.call(message.clone());
        place.go();
        last = call.await;
    }
    place.end(local.may_have_left(last.as_ref(), &message));
    last
}
