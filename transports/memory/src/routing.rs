use algedonic_transport::{Error, ErrorKind, Lane, Message, Outcome};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    connection::Held,
    shared::Later,
    state::{ConnectionId, State},
};

/// The answer to a message that was taken.
pub(crate) enum Answer {
    Now(Outcome),
    Later {
        told: oneshot::Receiver<Outcome>,
        due: Instant,
    },
}

/// The way of a message into the queues.
impl State {
    /// Takes a message in, or says why it did not leave the process.
    pub(crate) fn send(&mut self, from: ConnectionId, message: &Message) -> Result<Answer, Error> {
        const SEND: &str = "send a message";

        let limits = self.limits;
        let lane = message.lane;
        let connection = self
            .connections
            .get_mut(&from)
            .filter(|connection| connection.closing.is_none())
            .ok_or_else(|| Error::permanent(ErrorKind::Closed, SEND))?;
        if message.body.len() > limits.max_body_bytes {
            return Err(
                Error::permanent(ErrorKind::TooLarge, SEND).with_detail(format!(
                    "a body of {} bytes; the limit is {}",
                    message.body.len(),
                    limits.max_body_bytes
                )),
            );
        }
        if !connection.is_up() {
            let source = connection.link().borrow().error.clone();
            let error = Error::transient(ErrorKind::Unavailable, SEND);
            return Err(match source {
                Some(source) => error.with_source(source),
                None => error,
            });
        }
        let (in_flight, over) = connection.in_flight(lane);
        connection.count_unknown(over.len());
        let unknown = |tell| Later::Tell(tell, Outcome::unknown("no confirm in time"));
        self.later.extend(over.into_iter().map(unknown));
        if in_flight >= limits.window {
            return Err(Error::transient(ErrorKind::Busy, SEND)
                .with_detail(format!("{in_flight} {lane} await their outcome")));
        }
        let outcome = self.take_in(message);
        Ok(self.answer(from, lane, outcome))
    }

    /// Tells the outcome now, or later if confirms are held.
    fn answer(&mut self, from: ConnectionId, lane: Lane, outcome: Outcome) -> Answer {
        if !self.faults.hold_confirms {
            return Answer::Now(outcome);
        }
        let due = Instant::now() + self.limits.confirm_deadline;
        let (tell, told) = oneshot::channel();
        if let Some(connection) = self.connections.get_mut(&from) {
            connection.hold(lane, Held { outcome, due, tell });
        }
        Answer::Later { told, due }
    }

    /// Puts a message into every queue that wants it, or into none.
    fn take_in(&mut self, message: &Message) -> Outcome {
        if self.faults.reject() {
            return Outcome::rejected("the broker was told to reject it");
        }
        let (lane, key) = (message.lane, &message.metadata.key);
        let mut wanting = 0;
        for (name, receiver) in &self.receivers {
            let queue = receiver.queue(lane);
            if queue.wants(key) {
                wanting += 1;
                if queue.waiting() >= self.limits.queue {
                    return Outcome::rejected(format!("the queue of {name} for {lane} is full"));
                }
            }
        }
        if wanting == 0 {
            return Outcome::NotRouted;
        }
        let copies = if self.faults.deliver_twice() { 2 } else { 1 };
        for _ in 0..copies {
            let place = self.number();
            let queues = self.receivers.values_mut().map(|it| it.queue_mut(lane));
            for queue in queues.filter(|queue| queue.wants(key)) {
                queue.put(place, message.clone());
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
        if self.faults.lose_confirm() {
            return Outcome::unknown("the confirm was lost");
        }
        Outcome::Confirmed
    }
}
