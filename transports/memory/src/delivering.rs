use std::task::{Poll, Waker};

use algedonic_transport::{Error, ErrorKind, Lane, Message, Pattern, Settlement};

use crate::{
    shared::Later,
    state::{ConnectionId, State},
};

/// A message on its way out of a queue.
pub(crate) struct Departure {
    pub(crate) message: Message,
    pub(crate) redelivered: bool,
    pub(crate) tag: u64,
}

/// The way of a message out of the queues.
impl State {
    /// Begins to receive a lane.
    pub(crate) fn receive(
        &mut self,
        by: ConnectionId,
        lane: Lane,
        interest: Vec<Pattern>,
    ) -> Result<(), Error> {
        const RECEIVE: &str = "receive a lane";

        let connection = self
            .connections
            .get_mut(&by)
            .filter(|connection| connection.closing.is_none())
            .ok_or_else(|| Error::permanent(ErrorKind::Closed, RECEIVE))?;
        if connection.received.contains(&lane) {
            return Err(Error::permanent(ErrorKind::Misconfigured, RECEIVE)
                .with_detail(format!("the {lane} are received already"))
                .with_advice("receive a lane once, with all that is of interest"));
        }
        connection.received.push(lane);
        let receiver = self.receivers.entry(connection.receiver.clone());
        receiver.or_default().queue_mut(lane).attach(by, interest);
        Ok(())
    }

    /// The next message of a lane, if there is one and the connection is there to take it.
    pub(crate) fn next(
        &mut self,
        by: ConnectionId,
        lane: Lane,
        waker: &Waker,
    ) -> Poll<Option<Departure>> {
        let tag = self.number();
        let Some(connection) = self.connections.get(&by) else {
            return Poll::Ready(None);
        };
        if connection.closing.is_some() {
            return Poll::Ready(None);
        }
        let Some(receiver) = self.receivers.get_mut(&connection.receiver) else {
            return Poll::Ready(None);
        };
        let queue = receiver.queue_mut(lane);
        self.losses.expired += queue.expire();
        let next = (!self.faults.stopped).then(|| queue.take(by, self.limits.prefetch, tag));
        let Some((message, redelivered)) = next.flatten() else {
            self.later.extend(queue.wait(by, waker).map(Later::Forget));
            return Poll::Pending;
        };
        Poll::Ready(Some(Departure {
            message,
            redelivered,
            tag,
        }))
    }

    /// Delivers no more of a lane. Its interest stays: what comes meanwhile is found later.
    pub(crate) fn stop_receiving(&mut self, by: ConnectionId, name: &str, lane: Lane) {
        if let Some(receiver) = self.receivers.get_mut(name) {
            let queue = receiver.queue_mut(lane);
            self.later.extend(queue.detach(by).map(Later::Forget));
        }
    }

    /// Ends a delivery, unless it was given back before.
    pub(crate) fn settle(&mut self, name: &str, lane: Lane, tag: u64, how: Settlement) {
        let Some(receiver) = self.receivers.get_mut(name) else {
            return;
        };
        let queue = receiver.queue_mut(lane);
        let dead = match how {
            Settlement::Ack => queue.settle(tag).and(None),
            Settlement::DeadLetter => queue.settle(tag),
            Settlement::Requeue => {
                queue.requeue(tag);
                None
            }
        };
        self.later.extend(queue.wakers().map(Later::Wake));
        if let Some(message) = dead {
            if receiver.dead_letters.len() >= self.limits.dead_letters {
                receiver.dead_letters.pop_front();
                self.losses.dead_letters += 1;
            }
            receiver.dead_letters.push_back(message);
        }
    }
}
