use algedonic_transport::{Error, ErrorKind, Outcome};

use crate::{
    broker::Broker,
    shared::Later,
    state::{ConnectionId, State},
};

/// Which faults are asked for.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) stopped: bool,
    pub(crate) hold_confirms: bool,
    blocked: bool,
    reject: usize,
    lose_confirms: usize,
    deliver_twice: usize,
}

/// Faults on demand.
impl Broker {
    /// Takes the broker away: links go down, what was in flight is
    /// [`Unknown`](Outcome::Unknown), what was not settled will come again, and what is not persistent
    /// is lost (and counted, see [`losses`](Self::losses)). Queues and dead letters stay.
    pub fn stop(&self) {
        self.shared.change(State::stop);
    }

    /// Brings the broker back: links come up by themselves.
    pub fn start(&self) {
        self.shared.change(State::start);
    }

    /// From now on stores messages and tells no outcome: they pass the window of their sender, and
    /// then their deadline.
    pub fn hold_confirms(&self) {
        self.shared
            .change(|state| state.faults.hold_confirms = true);
    }

    /// Tells the outcomes that were held, in order, and from now on each at once.
    pub fn release_confirms(&self) {
        self.shared.change(State::release_confirms);
    }

    /// Refuses the next `messages` as [`Rejected`](Outcome::Rejected), whoever sends them.
    pub fn reject_next(&self, messages: usize) {
        self.shared.change(|state| state.faults.reject += messages);
    }

    /// Asks every sender for silence, as a broker does that runs out of memory: links are
    /// [`Blocked`](algedonic_transport::LinkState::Blocked), messages refused. Receivers go on.
    pub fn block(&self) {
        self.shared.change(|state| state.block(true));
    }

    /// Ends the silence.
    pub fn unblock(&self) {
        self.shared.change(|state| state.block(false));
    }

    /// Stores the next `messages` that somebody wants, and tells their senders at once that the
    /// outcome is [`Unknown`](Outcome::Unknown).
    pub fn lose_confirms(&self, messages: usize) {
        self.shared
            .change(|state| state.faults.lose_confirms += messages);
    }

    /// Cuts the connection of one receiver, which is up again at once: what it sent and was in
    /// flight is [`Unknown`](Outcome::Unknown), what it took and did not settle comes again. Its
    /// link tells by the count of connects.
    pub fn redeliver(&self, name: &str) {
        self.shared.change(|state| state.redeliver(name));
    }

    /// Stores the next `messages` that somebody wants twice, as a sender does that repeats what it
    /// takes for lost: neither copy is marked as redelivered.
    pub fn deliver_twice(&self, messages: usize) {
        self.shared
            .change(|state| state.faults.deliver_twice += messages);
    }
}

/// Why a link is down.
pub(crate) fn out_of_reach() -> Error {
    Error::transient(ErrorKind::Unavailable, "reach the broker").with_detail("it is stopped")
}

impl Faults {
    /// Why links are blocked, if they are.
    pub(crate) fn blocked(&self) -> Option<Error> {
        self.blocked.then(|| {
            Error::transient(ErrorKind::Unavailable, "use the link")
                .with_detail("the broker asks for silence")
        })
    }

    /// Whether to reject this message.
    pub(crate) fn reject(&mut self) -> bool {
        one_of(&mut self.reject)
    }

    /// Whether to lose the confirm of this message.
    pub(crate) fn lose_confirm(&mut self) -> bool {
        one_of(&mut self.lose_confirms)
    }

    /// Whether to store this message twice.
    pub(crate) fn deliver_twice(&mut self) -> bool {
        one_of(&mut self.deliver_twice)
    }
}

impl State {
    fn stop(&mut self) {
        if self.faults.stopped {
            return;
        }
        self.faults.stopped = true;
        for id in self.connected() {
            self.cut_off(id, "the broker stopped");
            if let Some(connection) = self.connections.get(&id) {
                connection.goes_down(out_of_reach());
            }
        }
        for receiver in self.receivers.values_mut() {
            for queue in receiver.queues_mut() {
                self.losses.transient += queue.forget_transient() as u64;
            }
        }
    }

    fn start(&mut self) {
        if !self.faults.stopped {
            return;
        }
        self.faults.stopped = false;
        self.bring_up(|_| true);
    }

    fn redeliver(&mut self, name: &str) {
        if self.faults.stopped {
            return;
        }
        for id in self.connected() {
            if self
                .connections
                .get(&id)
                .is_some_and(|it| &*it.receiver == name)
            {
                self.cut_off(id, "the connection was lost");
            }
        }
        self.bring_up(|receiver| receiver == name);
    }

    fn release_confirms(&mut self) {
        self.faults.hold_confirms = false;
        for id in self.connected() {
            if let Some(connection) = self.connections.get_mut(&id) {
                let held = connection.take_held().into_iter();
                self.later
                    .extend(held.map(|held| Later::Tell(held.tell, held.outcome)));
            }
            self.end_if_done(id);
        }
    }

    fn block(&mut self, blocked: bool) {
        self.faults.blocked = blocked;
        if !self.faults.stopped {
            for connection in self.connections.values() {
                connection.is_blocked(self.faults.blocked());
            }
        }
    }

    /// Lets go of what is in flight on a connection, both ways.
    pub(crate) fn cut_off(&mut self, id: ConnectionId, reason: &str) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let held = connection.take_held();
        connection.count_unknown(held.len());
        let unknown = Outcome::unknown(reason);
        let held = held.into_iter();
        self.later
            .extend(held.map(|held| Later::Tell(held.tell, unknown.clone())));
        if let Some(receiver) = self.receivers.get_mut(&connection.receiver) {
            for queue in receiver.queues_mut() {
                queue.requeue_of(id);
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
        self.end_if_done(id);
    }

    /// Connects those whose receivers are chosen, and has them look at their queues.
    fn bring_up(&mut self, chosen: impl Fn(&str) -> bool) {
        for connection in self.connections.values().filter(|it| chosen(&it.receiver)) {
            connection.comes_up(self.faults.blocked());
        }
        for receiver in self.receivers.values_mut() {
            for queue in receiver.queues_mut() {
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
    }

    fn connected(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }
}

fn one_of(left: &mut usize) -> bool {
    let any = *left > 0;
    *left -= usize::from(any);
    any
}
