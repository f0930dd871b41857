use std::task::{Poll, Waker};

use algedonic_transport::{Error, ErrorKind, Lane, Message, Pattern, Settlement};
use tokio::time::Instant;

use crate::{
    dead::DeathCause,
    fault::DeliveryFault,
    shared::Later,
    state::{ConnectionId, State},
};

/// A message on its way out of a queue.
pub(crate) struct Departure {
    pub(crate) message: Message,
    /// How often it was delivered, this time included.
    pub(crate) attempt: u32,
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
        if connection.closing.is_some() || !self.receivers.contains_key(&connection.receiver) {
            return Poll::Ready(None);
        }
        let departure = if connection.is_connected() {
            self.depart(by, lane, tag)
        } else {
            None
        };
        if departure.is_none() {
            self.wait(by, lane, waker);
            return Poll::Pending;
        }
        Poll::Ready(departure)
    }

    /// Takes the next message of a lane out of its queue, if it may go now.
    fn depart(&mut self, by: ConnectionId, lane: Lane, tag: u64) -> Option<Departure> {
        let now = Instant::now();
        let name = self.connections.get(&by)?.receiver.clone();
        let receiver = self.receivers.get_mut(&name)?;
        receiver.expire(now, &self.limits, &mut self.losses);
        let queue = receiver.queue_mut(lane);
        let first = queue.next_for(by, self.limits.prefetch)?;
        if let Some(ready) = first.not_before(now) {
            self.alarm(ready);
            return None;
        }
        let mut fault = None;
        if !first.judged {
            first.judged = true;
            let key = &first.message.metadata.key;
            fault = self.faults.deliver(&name, lane, key);
            if let Some(DeliveryFault::Delay(time)) = fault {
                first.ready = now.checked_add(time);
                if let Some(ready) = first.not_before(now) {
                    self.alarm(ready);
                    return None;
                }
            }
        }
        let cut_later = fault == Some(DeliveryFault::CutBeforeAck);
        let (message, attempt) = queue.take(by, tag, cut_later)?;
        if fault == Some(DeliveryFault::CutAfterDelivery) {
            self.sever(by, self.faults.downtime);
        }
        Some(Departure {
            message,
            attempt,
            tag,
        })
    }

    fn wait(&mut self, by: ConnectionId, lane: Lane, waker: &Waker) {
        let Some(connection) = self.connections.get(&by) else {
            return;
        };
        if let Some(receiver) = self.receivers.get_mut(&connection.receiver) {
            let replaced = receiver.queue_mut(lane).wait(by, waker);
            self.later.extend(replaced.map(Later::Forget));
        }
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
        if let Some(cut) = queue.cut_by(tag) {
            self.sever(cut, self.faults.downtime);
            return;
        }
        let dead = match how {
            Settlement::Ack => queue.settle(tag).and(None),
            Settlement::DeadLetter => queue.settle(tag).map(|it| (it, DeathCause::Rejected)),
            Settlement::Requeue => {
                let dead = queue.requeue(tag, self.limits.delivery_limit);
                dead.map(|it| (it, DeathCause::DeliveryLimit))
            }
        };
        self.later.extend(queue.wakers().map(Later::Wake));
        if let Some((stored, cause)) = dead {
            receiver.bury(stored, cause, &self.limits, &mut self.losses);
        }
    }
}
