use std::{fmt, sync::Arc, time::Duration};

use algedonic_transport::{
    Arrival, BoxFuture, BoxStream, Capabilities, Closed, Error, Lane, Link, LinkState, Message,
    Outcome, Pattern, Transport,
};
use futures_util::stream;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    arrivals::Arrivals, closing, limits::Limits, routing::Answer, settle::Settler, shared::Shared,
    state::ConnectionId,
};

/// A transport to a [`Broker`](crate::Broker) in memory.
///
/// Connected from its making; in line with the broker's state at every moment. Outcomes are told at
/// once, unless the broker holds them. Dropping it cuts its connection: what is in flight is
/// unknown, what is not settled waits for the next transport of the same name.
pub struct Memory {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Arc<str>,
    pub(crate) id: ConnectionId,
    pub(crate) limits: Limits,
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) end: watch::Receiver<Option<Closed>>,
}

impl Transport for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::new(self.limits.max_body_bytes, self.limits.window);
        capabilities.confirms = true;
        capabilities.reports_unroutable = true;
        capabilities.ordered = true;
        capabilities.redelivers = true;
        capabilities.counts_attempts = true;
        capabilities.durable = true;
        capabilities.dead_letters = true;
        capabilities
    }

    fn send(&self, message: Message) -> BoxFuture<Result<Outcome, Error>> {
        let answer = self.shared.change(|state| state.send(self.id, &message));
        Box::pin(async move {
            let (mut told, due) = match answer? {
                Answer::Now(outcome) => return Ok(outcome),
                Answer::Later { told, due } => (told, due),
            };
            // What is known already needs no clock, and with it no runtime.
            if let Ok(outcome) = told.try_recv() {
                return Ok(outcome);
            }
            Ok(match timeout_at(due, told).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => Outcome::unknown("the broker is gone"),
                Err(_) => Outcome::unknown("no confirm in time"),
            })
        })
    }

    fn receive(&self, lane: Lane, interest: Vec<Pattern>) -> Result<BoxStream<Arrival>, Error> {
        self.shared
            .change(|state| state.receive(self.id, lane, interest))?;
        let settler = Settler {
            shared: self.shared.clone(),
            receiver: self.name.clone(),
            lane,
        };
        Ok(Box::pin(Arrivals::new(self.id, settler)))
    }

    fn link(&self) -> Link {
        // What is due by now has happened.
        self.shared.change(|_| ());
        self.link.borrow().clone()
    }

    fn links(&self) -> BoxStream<Link> {
        let mut link = self.link.clone();
        link.mark_changed();
        Box::pin(stream::unfold(Some(link), |link| async move {
            let mut link = link?;
            link.changed().await.ok()?;
            let now = link.borrow_and_update().clone();
            let rest = (now.state != LinkState::Closed).then_some(link);
            Some((now, rest))
        }))
    }

    fn close(&self, deadline: Duration) -> BoxFuture<Closed> {
        let now = Instant::now();
        // A deadline beyond the end of time is none; a day is as good.
        let deadline = now
            .checked_add(deadline)
            .unwrap_or(now + Duration::from_secs(86_400));
        let until = self
            .shared
            .change(|state| state.close(self.id, deadline))
            .unwrap_or(deadline);
        let ending = closing::end(self.shared.clone(), self.id, until, self.end.clone());
        // The close goes on if its future is dropped. Without a runtime nothing waits anyway.
        match Handle::try_current() {
            Ok(runtime) if self.end.borrow().is_none() => {
                let end = self.end.clone();
                runtime.spawn(closing::end(self.shared.clone(), self.id, until, end));
            }
            _ => {}
        }
        Box::pin(ending)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.shared.change(|state| state.abandon(self.id));
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("name", &self.name)
            .field("link", &self.link.borrow().state)
            .finish_non_exhaustive()
    }
}
