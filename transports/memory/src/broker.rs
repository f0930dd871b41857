use std::{fmt, sync::Arc};

use algedonic_transport::{EventId, Lane};
use tokio::time::Instant;

use crate::{
    connection::Connection,
    dead::DeadLetter,
    faults::out_of_reach,
    limits::{Limits, Losses},
    receiver::Receiver,
    shared::Shared,
    transport::Memory,
};

/// A broker in memory, and the means to make it fail.
///
/// Cheap to clone: every clone is the same broker. It takes each message to a queue for every
/// interested pair of receiver and lane, keeps it there over the absence of the receiver and over
/// its own stops, and delivers it until it is settled. What is not persistent does not survive a
/// [`stop`](Self::stop), as in a real broker.
///
/// What goes wrong is said by the methods below, now and for everybody, or by [`inject`](Self::inject), message by
/// message or drawn from a seed.
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
            shared: Shared::new(limits),
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
            if state.switches.stopped {
                connection.goes_down(out_of_reach());
            } else {
                connection.comes_up(state.switches.blocked());
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

    /// The dead letters of a receiver, of all lanes, the oldest first, with the reason of each.
    pub fn dead_letters(&self, name: &str) -> Vec<DeadLetter> {
        let letters = |receiver: &Receiver| receiver.dead_letters.iter().cloned().collect();
        self.look(name, letters).unwrap_or_default()
    }

    /// How many messages wait for a receiver on a lane, not counting the unsettled.
    pub fn waiting(&self, name: &str, lane: Lane) -> usize {
        let waiting = |receiver: &Receiver| receiver.queue(lane).waiting();
        self.look(name, waiting).unwrap_or_default()
    }

    /// How many messages a receiver has taken on a lane and not settled.
    pub fn unsettled(&self, name: &str, lane: Lane) -> usize {
        let unsettled = |receiver: &Receiver| receiver.queue(lane).unsettled();
        self.look(name, unsettled).unwrap_or_default()
    }

    /// How often a message was delivered to a receiver, the delivery in hand included; none if it neither waits
    /// nor is unsettled there.
    pub fn deliveries(&self, name: &str, id: EventId) -> Option<u32> {
        self.look(name, |receiver| {
            let mut queues = receiver.queues().into_iter();
            queues.find_map(|queue| queue.deliveries(id))
        })?
    }

    /// How much is still to happen by itself: messages that await their outcome, that wait for a receiver who is
    /// there or are not settled by it, and faults that end after a time. With a broker that was
    /// [stopped](Self::stop) what is in its queues does not count. At 0 it is at rest.
    pub fn in_motion(&self) -> usize {
        self.shared.change(|state| {
            let now = Instant::now();
            state.expire(now);
            state.in_motion(now)
        })
    }

    /// A look at a receiver, without what is over.
    fn look<R>(&self, name: &str, look: impl FnOnce(&Receiver) -> R) -> Option<R> {
        self.shared.change(|state| {
            state.expire(Instant::now());
            state.receivers.get(name).map(look)
        })
    }

    /// What was let go of until now.
    pub fn losses(&self) -> Losses {
        self.shared.change(|state| {
            state.expire(Instant::now());
            state.losses
        })
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
                .field("switches", &state.switches)
                .field("faults", &state.faults)
                .field("connections", &state.connections.len())
                .field("receivers", &state.receivers.len())
                .field("losses", &state.losses)
                .finish_non_exhaustive()
        })
    }
}
