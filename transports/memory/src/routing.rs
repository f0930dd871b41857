use std::sync::Arc;

use algedonic_transport::{Error, ErrorKind, Lane, Message, Outcome};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    clock::Due,
    connection::{Held, Until},
    dead::DeathCause,
    fault::SendFault,
    limits::Overflow,
    shared::Later,
    state::{ConnectionId, State},
    stored::Stored,
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
        let name = connection.receiver.clone();
        let fault = self.faults.send(&name, lane, &message.metadata.key);
        Ok(match fault {
            None => {
                let outcome = self.take_in(message, 1, None);
                self.answer(from, lane, outcome)
            }
            Some(fault) => self.go_wrong(from, message, fault),
        })
    }

    /// What becomes of a message with which something goes wrong.
    fn go_wrong(&mut self, from: ConnectionId, message: &Message, fault: SendFault) -> Answer {
        let (lane, now) = (message.lane, Instant::now());
        let cut = || Answer::Now(Outcome::unknown("the connection was lost"));
        match fault {
            SendFault::CutBeforeArrival => {
                self.sever(from, self.faults.downtime);
                return cut();
            }
            SendFault::Reject => return Answer::Now(Outcome::rejected("a fault of the test")),
            SendFault::Return => return Answer::Now(Outcome::NotRouted),
            _ => {}
        }
        let copies = if fault == SendFault::Duplicate { 2 } else { 1 };
        let ready = match fault {
            SendFault::DelayArrival(time) => now.checked_add(time),
            _ => None,
        };
        let outcome = self.take_in(message, copies, ready);
        match fault {
            SendFault::CutBeforeConfirm => {
                self.sever(from, self.faults.downtime);
                cut()
            }
            SendFault::CutAfterConfirm => {
                self.sever(from, self.faults.downtime);
                Answer::Now(outcome)
            }
            SendFault::LoseConfirm => self.hold(from, lane, outcome, Until::Never),
            SendFault::DelayConfirm(time) => match now.checked_add(time) {
                None => self.hold(from, lane, outcome, Until::Never),
                Some(at) => {
                    self.alarm(at);
                    self.hold(from, lane, outcome, Until::At(at))
                }
            },
            SendFault::Block(time) => {
                self.block(true);
                self.end_after(time, Due::Unblock);
                self.answer(from, lane, outcome)
            }
            SendFault::Stop(time) => {
                self.stop();
                self.end_after(time, Due::Start);
                Answer::Now(Outcome::unknown("the broker stopped"))
            }
            _ => self.answer(from, lane, outcome),
        }
    }

    /// Tells the outcome now, or later if confirms are held.
    fn answer(&mut self, from: ConnectionId, lane: Lane, outcome: Outcome) -> Answer {
        if self.switches.hold_confirms {
            self.hold(from, lane, outcome, Until::Released)
        } else {
            Answer::Now(outcome)
        }
    }

    fn hold(&mut self, from: ConnectionId, lane: Lane, outcome: Outcome, until: Until) -> Answer {
        let due = Instant::now() + self.limits.confirm_deadline;
        let (tell, told) = oneshot::channel();
        if let Some(connection) = self.connections.get_mut(&from) {
            let held = Held {
                outcome,
                until,
                due,
                tell,
            };
            connection.hold(lane, held);
        }
        Answer::Later { told, due }
    }

    /// Puts a message into every queue that wants it and has room.
    fn take_in(&mut self, message: &Message, copies: usize, ready: Option<Instant>) -> Outcome {
        if self.switches.reject() {
            return Outcome::rejected("the broker was told to reject it");
        }
        let (lane, key) = (message.lane, &message.metadata.key);
        let wanted = self
            .receivers
            .values()
            .any(|receiver| receiver.queue(lane).wants(key));
        if !wanted {
            return Outcome::NotRouted;
        }
        let copies = copies + usize::from(self.switches.deliver_twice());
        let mut full = None;
        for _ in 0..copies {
            full = self.store(message, ready).or(full);
        }
        if self.switches.lose_confirm() {
            return Outcome::unknown("the confirm was lost");
        }
        match full {
            None => Outcome::Confirmed,
            Some(name) => Outcome::rejected(format!("the queue of {name} for {lane} is full")),
        }
    }

    /// Stores one copy. Whose queue refused it, if one did.
    fn store(&mut self, message: &Message, ready: Option<Instant>) -> Option<Arc<str>> {
        let (now, place, limits) = (Instant::now(), self.number(), self.limits);
        let (lane, key) = (message.lane, &message.metadata.key);
        let mut full = None;
        for (name, receiver) in &mut self.receivers {
            if !receiver.queue(lane).wants(key) {
                continue;
            }
            receiver.expire(now, &limits, &mut self.losses);
            let queue = receiver.queue_mut(lane);
            // No command makes room for another.
            let rejects = lane == Lane::Command || limits.overflow == Overflow::RejectPublish;
            if rejects && queue.waiting() >= limits.queue {
                full = Some(name.clone());
                continue;
            }
            let mut stored = Stored::new(message.clone(), now, limits.message_ttl);
            stored.ready = ready;
            queue.put(place, stored);
            self.later.extend(queue.wakers().map(Later::Wake));
            if queue.waiting() > limits.queue
                && let Some(oldest) = queue.pop_first()
            {
                receiver.bury(oldest, DeathCause::MaxLength, &limits, &mut self.losses);
            }
        }
        full
    }
}
