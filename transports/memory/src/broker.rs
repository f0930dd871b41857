use std::{fmt, sync::Arc};

use algedonic_transport::{Lane, Message};

use crate::{
    connection::Connection,
    faults::out_of_reach,
    limits::{Limits, Losses},
    shared::Shared,
    transport::Memory,
};

/// A broker in memory, and the means to make it fail.
///
/// Cheap to clone: every clone is the same broker. It takes each message to a queue for every
/// interested pair of receiver and lane, keeps it there over the absence of the receiver and over
/// its own stops, and delivers it until it is settled. What is not persistent does not survive a
/// [`stop`](Self::stop), as in a real broker.
#[derive(Clone)]
pub struct Broker {
    pub(crate) shared: Arc<Shared>,
}

impl Broker {
    /// A broker at work, with the default [`Limits`].
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// A broker at work, with limits of your own.
    pub fn with_limits(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared::new(limits)),
        }
    }

    /// A new transport to this broker, receiving under `name`.
    ///
    /// The queues of a name exist from its first `receive`, and outlive the transport: the next one
    /// of the same name gets what they hold. Two at a time compete for it.
    pub fn transport(&self, name: &str) -> Memory {
        let connection = Connection::new(name.into());
        let (link, end) = (connection.link(), connection.end());
        let (id, limits) = self.shared.change(|state| {
            if state.faults.stopped {
                connection.goes_down(out_of_reach());
            } else {
                connection.comes_up(state.faults.blocked());
            }
            let id = state.number();
            state.connections.insert(id, connection);
            (id, state.limits)
        });
        Memory {
            shared: self.shared.clone(),
            name: name.into(),
            id,
            limits,
            link,
            end,
        }
    }

    /// The dead letters of a receiver, the oldest first.
    pub fn dead_letters(&self, name: &str) -> Vec<Message> {
        self.shared.change(|state| {
            let receiver = state.receivers.get(name);
            receiver.map_or_else(Vec::new, |receiver| {
                receiver.dead_letters.iter().cloned().collect()
            })
        })
    }

    /// How many messages wait for a receiver on a lane, not counting the unsettled.
    pub fn waiting(&self, name: &str, lane: Lane) -> usize {
        self.shared.change(|state| {
            let receiver = state.receivers.get(name);
            receiver.map_or(0, |receiver| receiver.queue(lane).waiting())
        })
    }

    /// How many messages a receiver has taken on a lane and not settled.
    pub fn unsettled(&self, name: &str, lane: Lane) -> usize {
        self.shared.change(|state| {
            let receiver = state.receivers.get(name);
            receiver.map_or(0, |receiver| receiver.queue(lane).unsettled())
        })
    }

    /// What was let go of until now.
    pub fn losses(&self) -> Losses {
        self.shared.change(|state| state.losses)
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.change(|state| {
            f.debug_struct("Broker")
                .field("faults", &state.faults)
                .field("connections", &state.connections.len())
                .field("receivers", &state.receivers.len())
                .field("losses", &state.losses)
                .finish_non_exhaustive()
        })
    }
}
