use std::sync::Arc;

use algedonic_transport::Closed;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    shared::{Later, Shared},
    state::{ConnectionId, State},
};

/// Waits for the end of a connection whose close has begun, and cuts it off when its time is over.
pub(crate) async fn end(
    shared: Arc<Shared>,
    id: ConnectionId,
    until: Instant,
    mut end: watch::Receiver<Option<Closed>>,
) -> Closed {
    let told = |end: &Option<Closed>| end.is_some();
    if end.borrow().is_none() && timeout_at(until, end.wait_for(told)).await.is_err() {
        shared.change(|state| state.cut(id, "the transport was closed before the confirm"));
    }
    let closed = *end.borrow();
    closed.unwrap_or_default()
}

impl State {
    /// Begins to close a connection: takes no messages and delivers none. By when it is over, if it
    /// is not already.
    pub(crate) fn close(&mut self, id: ConnectionId, deadline: Instant) -> Option<Instant> {
        let connection = self.connections.get_mut(&id)?;
        // Nothing is sent any more, so whatever is in flight is due before this.
        let last = connection
            .last_due()
            .map_or(deadline, |due| due.min(deadline));
        let until = *connection.closing.get_or_insert(last);
        if let Some(receiver) = self.receivers.get_mut(&connection.receiver) {
            for queue in receiver.queues_mut() {
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
        self.end_if_done(id);
        self.connections.contains_key(&id).then_some(until)
    }

    /// Ends a connection that is being closed once nothing is in flight.
    pub(crate) fn end_if_done(&mut self, id: ConnectionId) {
        let connection = self.connections.get(&id);
        if connection.is_some_and(|it| it.closing.is_some() && it.is_idle()) {
            self.remove(id);
        }
    }

    /// Ends a connection at once, whatever is in flight.
    pub(crate) fn cut(&mut self, id: ConnectionId, reason: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closing.get_or_insert_with(Instant::now);
            // With nothing in flight any more, a connection that is being closed ends.
            self.cut_off(id, reason);
        }
    }

    /// Ends a connection whose transport is gone, unless a close has begun, which has its own end.
    pub(crate) fn abandon(&mut self, id: ConnectionId) {
        let connection = self.connections.get(&id);
        if connection.is_some_and(|connection| connection.closing.is_none()) {
            self.cut(id, "the transport was dropped");
        }
    }

    fn remove(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(receiver) = self.receivers.get_mut(&connection.receiver) {
            receiver.requeue_of(id, &self.limits, &mut self.losses);
            for queue in receiver.queues_mut() {
                self.later.extend(queue.detach(id).map(Later::Wake));
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
        connection.ends();
    }
}
