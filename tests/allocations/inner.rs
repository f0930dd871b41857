use std::{
    future::{Pending, Ready, pending, ready},
    hint::black_box,
    task::{Context, Poll, Waker},
};

use futures_util::FutureExt;
use tower::Service;

/// Answers at once, as it is asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AtOnce;

/// Never answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Never;

pub(crate) type Answer = Result<(), &'static str>;

impl Service<Answer> for AtOnce {
    type Response = ();
    type Error = &'static str;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, answer: Answer) -> Self::Future {
        ready(answer)
    }
}

impl Service<Answer> for Never {
    type Response = ();
    type Error = &'static str;
    type Future = Pending<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Answer> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Answer) -> Self::Future {
        pending()
    }
}

/// Calls a service that is ready at once, polls the response, and lets go of it. What it was, if it was ready.
pub(crate) fn call<S: Service<Answer>>(
    service: &mut S,
    answer: Answer,
) -> Option<Result<S::Response, S::Error>> {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))));
    black_box(service.call(answer).now_or_never())
}
