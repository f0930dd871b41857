use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, Outcome};

use crate::{
    clock::Due,
    faults::out_of_reach,
    shared::Later,
    state::{ConnectionId, State},
};

/// What is lost when connections are, and how they come back.
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

    pub(crate) fn redeliver(&mut self, name: &str) {
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
        // An earlier cut's attempt would come too soon.
        self.due.retain(|(_, what)| *what != Due::Connect(id));
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

    pub(crate) fn connected(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }
}
