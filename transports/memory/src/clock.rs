use std::{sync::Weak, time::Duration};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until},
};

use crate::{
    shared::{Later, Shared},
    state::{ConnectionId, State},
};

/// What ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A connection was cut, and is tried again.
    Connect(ConnectionId),
    /// The broker starts again.
    Start,
    /// The broker no longer asks for silence.
    Unblock,
}

/// What the passing of time does.
impl State {
    /// Has the state looked at again at this moment.
    pub(crate) fn alarm(&mut self, at: Instant) {
        if self.alarms.insert(at) {
            self.later.push(Later::At(at));
        }
    }

    /// Has something end after this time.
    pub(crate) fn end_after(&mut self, time: Duration, what: Due) {
        let Some(at) = Instant::now().checked_add(time) else {
            return;
        };
        self.due.push((at, what));
        self.alarm(at);
    }

    /// Does what is due, if anything is.
    pub(crate) fn catch_up(&mut self) {
        if self.alarms.is_empty() {
            return;
        }
        let now = Instant::now();
        if self.alarms.first().is_none_or(|first| *first > now) {
            return;
        }
        self.alarms.retain(|at| *at > now);
        let (over, rest): (Vec<_>, Vec<_>) = self.due.drain(..).partition(|(at, _)| *at <= now);
        self.due = rest;
        for (_, what) in over {
            match what {
                Due::Connect(id) => self.reconnect(id),
                Due::Start => self.start(),
                Due::Unblock => self.block(false),
            }
        }
        self.tell_ready(now);
        // The first of a queue may be ready.
        for receiver in self.receivers.values_mut() {
            for queue in receiver.queues_mut() {
                self.later.extend(queue.wakers().map(Later::Wake));
            }
        }
    }

    /// Tells the outcomes whose delay is over.
    fn tell_ready(&mut self, now: Instant) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            if let Some(connection) = self.connections.get_mut(&id) {
                let ready = connection.take_ready(now).into_iter();
                self.later
                    .extend(ready.map(|held| Later::Tell(held.tell, held.outcome)));
            }
            self.end_if_done(id);
        }
    }
}

/// Looks at the state again at this moment. Without a runtime that is left to the next call.
pub(crate) fn look_again(shared: &Weak<Shared>, at: Instant) {
    if let Ok(runtime) = Handle::try_current() {
        let shared = shared.clone();
        runtime.spawn(async move {
            sleep_until(at).await;
            if let Some(shared) = shared.upgrade() {
                shared.change(|_| ());
            }
        });
    }
}
