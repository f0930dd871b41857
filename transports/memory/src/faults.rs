use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, Outcome};

use crate::{
    broker::Broker,
    clock::Due,
    script::Faults,
    shared::Later,
    state::{ConnectionId, State},
};

/// Which faults are switched on, or counted down.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    pub(crate) stopped: bool,
    pub(crate) hold_confirms: bool,
    blocked: bool,
    reject: usize,
    lose_confirms: usize,
    deliver_twice: usize,
}

/// Faults on demand.
impl Broker {
    /// From now on these faults happen, in place of those that were injected before, at the chosen
    /// messages: cuts before the arrival or the confirm, delays, duplicates, and more. The counts of the script begin
    /// here. Nothing goes wrong any more after `inject(Faults::new())`; what has begun (a delay, a connection
    /// that is away) ends in its time.
    pub fn inject(&self, faults: Faults) {
        self.shared.change(|state| state.faults = faults);
    }

    /// The faults of the script that never happened, in words: a test whose fault does not happen proves nothing.
    pub fn unused_faults(&self) -> Vec<String> {
        self.shared.change(|state| state.faults.unused())
    }

    /// The latest 1,024 faults that were injected and happened, in words, the oldest first.
    pub fn fault_log(&self) -> Vec<String> {
        self.shared.change(|state| state.faults.log())
    }

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
            .change(|state| state.switches.hold_confirms = true);
    }

    /// Tells the outcomes that were held, in order, and from now on each at once.
    pub fn release_confirms(&self) {
        self.shared.change(State::release_confirms);
    }

    /// Refuses the next `messages` as [`Rejected`](Outcome::Rejected), whoever sends them.
    pub fn reject_next(&self, messages: usize) {
        self.shared
            .change(|state| state.switches.reject += messages);
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
            .change(|state| state.switches.lose_confirms += messages);
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
            .change(|state| state.switches.deliver_twice += messages);
    }
}

/// Why a link is down.
pub(crate) fn out_of_reach() -> Error {
    Error::transient(ErrorKind::Unavailable, "reach the broker").with_detail("it is stopped")
}

impl Switches {
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
    pub(crate) fn stop(&mut self) {
        if self.switches.stopped {
            return;
        }
        self.switches.stopped = true;
        for id in self.connected() {
            self.cut_off(id, "the broker stopped");
            if let Some(connection) = self.connections.get(&id) {
                connection.goes_down(out_of_reach());
            }
        }
        // Who is tried again before the start is not reached.
        self.due
            .retain(|(_, what)| !matches!(what, Due::Connect(_)));
        for receiver in self.receivers.values_mut() {
            for queue in receiver.queues_mut() {
                self.losses.transient += queue.forget_transient() as u64;
            }
        }
    }

    pub(crate) fn start(&mut self) {
        if !self.switches.stopped {
            return;
        }
        self.switches.stopped = false;
        for id in self.connected() {
            self.reconnect(id);
        }
    }

    fn redeliver(&mut self, name: &str) {
        let named = |id: &ConnectionId| {
            let connection = self.connections.get(id);
            connection.is_some_and(|it| &*it.receiver == name)
        };
        let ids: Vec<_> = self.connected().into_iter().filter(named).collect();
        for id in ids {
            self.sever(id, Duration::ZERO);
        }
    }

    /// Cuts one connection, which is up again after this time.
    pub(crate) fn sever(&mut self, id: ConnectionId, downtime: Duration) {
        if self.switches.stopped {
            return;
        }
        self.cut_off(id, "the connection was lost");
        // With a close under way that may have been its end.
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        connection.goes_down(
            Error::transient(ErrorKind::Unavailable, "reach the broker")
                .with_detail("the connection was cut"),
        );
        if downtime.is_zero() {
            self.reconnect(id);
        } else {
            self.end_after(downtime, Due::Connect(id));
        }
    }

    /// Connects again, if that is to be done, and if it can.
    pub(crate) fn reconnect(&mut self, id: ConnectionId) {
        if self.switches.stopped {
            return;
        }
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if !connection.is_connected() {
            connection.comes_up(self.switches.blocked());
            self.wake_receiver(&connection.receiver.clone());
        }
    }

    fn wake_receiver(&mut self, name: &str) {
        if let Some(receiver) = self.receivers.get_mut(name) {
            for queue in receiver.queues_mut() {
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
    }

    fn release_confirms(&mut self) {
        self.switches.hold_confirms = false;
        for id in self.connected() {
            if let Some(connection) = self.connections.get_mut(&id) {
                let held = connection.take_released().into_iter();
                self.later
                    .extend(held.map(|held| Later::Tell(held.tell, held.outcome)));
            }
            self.end_if_done(id);
        }
    }

    pub(crate) fn block(&mut self, blocked: bool) {
        self.switches.blocked = blocked;
        if !self.switches.stopped {
            let connected = self.connections.values().filter(|it| it.is_connected());
            for connection in connected {
                connection.is_blocked(self.switches.blocked());
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
            receiver.requeue_of(id, &self.limits, &mut self.losses);
            for queue in receiver.queues_mut() {
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
        self.end_if_done(id);
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
