//! One publish under way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use algedonic_transport::Error;

use super::{Receipt, Shared};
use crate::{
    event::Event,
    local::{Committed, Lane, Publication, Refused},
    turn,
};

/// A publish that may have to wait.
pub(super) struct Waiting<'a, E: Event> {
    pub(super) lane: &'a Lane<E>,
    pub(super) publication: Publication<'a, E>,
}

impl<E: Event> Waiting<'_, E> {
    pub(super) fn poll(
        &mut self,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Receipt, Error>> {
        let done = ready!(self.publication.poll(Some(cx)));
        Poll::Ready(self.end(shared, done))
    }

    pub(super) fn end(
        &mut self,
        shared: &Shared,
        done: Result<Committed, Refused>,
    ) -> Result<Receipt, Error> {
        match done {
            Ok(committed) => Ok(shared.receipt(self.lane, committed)),
            Err(refused) => Err(shared.refuse(refused.into())),
        }
    }
}

/// What [`Bus::publish`] does. By hand, since the event is then moved once, from the caller into the lane.
pub(super) struct Publish<'a, E: Event> {
    shared: &'a Shared,
    lane: &'a Lane<E>,
    event: Option<E>,
    /// It could not be done at once.
    waiting: Option<Box<Waiting<'a, E>>>,
}

impl<'a, E: Event> Publish<'a, E> {
    #[inline]
    pub(super) fn new(shared: &'a Shared, lane: &'a Lane<E>, event: E) -> Self {
        Self {
            shared,
            lane,
            event: Some(event),
            waiting: None,
        }
    }

    #[cold]
    fn poll_any(&mut self, cx: &mut Context<'_>) -> Poll<Result<Receipt, Error>> {
        if let Some(event) = self.event.take() {
            let mut waiting = self.shared.begin(self.lane, event, None)?;
            let done = waiting.poll(self.shared, cx);
            if done.is_pending() {
                self.waiting = Some(Box::new(waiting));
            }
            return done;
        }
        // Taken out: at its end, or where something panics, it waits no more, whoever keeps this.
        let mut waiting = self.waiting.take().expect("polled after its end");
        let done = waiting.poll(self.shared, cx);
        if done.is_pending() {
            self.waiting = Some(waiting);
        }
        done
    }
}

// Nothing in it is pinned.
impl<E: Event> Unpin for Publish<'_, E> {}

impl<E: Event> Future for Publish<'_, E> {
    type Output = Result<Receipt, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.event.is_some() {
            ready!(turn::proceed(cx));
            if let Some(receipt) = this.shared.publish_plain(this.lane, &mut this.event) {
                return Poll::Ready(Ok(receipt));
            }
        }
        this.poll_any(cx)
    }
}
