//! What are the queues like, and to whom do they belong?

use std::time::Duration;

use algedonic_transport::Lane;

use super::AmqpConfig;

/// The kind of queue that holds messages for this instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueType {
    /// Replicated where there is a cluster, and on disk before a confirm. The default.
    #[default]
    Quorum,
    /// On one node; a confirm may come before the disk has the message.
    Classic,
}

impl QueueType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
        }
    }
}

/// Who makes the exchanges, the queues and the bindings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopologyMode {
    /// This transport declares them whenever it connects. The default.
    #[default]
    Declare,
    /// Whoever runs the broker does. The transport declares nothing and needs no *configure*
    /// permission; it looks whether exchanges and queues are there, and tells what is missing as a
    /// permanent error. Bindings cannot be looked at over AMQP, nor can the arguments of a queue:
    /// [`AmqpConfig::definitions`] lists all of it in the form that RabbitMQ imports. Where a binding is
    /// missing the link is up all the same, and nothing comes by it. Who publishes what no other queue
    /// takes either is told, by [`Outcome::NotRouted`](algedonic_transport::Outcome::NotRouted); if that
    /// is an instance that wants the message itself, it logs a warning that names the lane. Needs a
    /// [`queue`](AmqpConfig::queue) name.
    Expect,
}

impl AmqpConfig {
    /// The kind of queue to declare for events; that of commands may differ
    /// ([`CommandQueue::queue_type`](crate::CommandQueue::queue_type)), and signals wait in quorum queues
    /// always: a classic one may confirm before the disk has a message. A queue keeps its kind: a change
    /// needs a new name.
    pub fn queue_type(mut self, queue_type: QueueType) -> Self {
        self.queue_type = queue_type;
        self
    }

    /// Who makes the exchanges, the queues and the bindings.
    pub fn topology_mode(mut self, mode: TopologyMode) -> Self {
        self.topology_mode = mode;
        self
    }

    /// How long an event may wait in the queue of this instance before it is dead-lettered;
    /// `None` for ever. A signal waits for ever, whatever this says. Fixed when the queue is made: a change needs a new name, or a policy on the broker.
    pub fn message_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.message_ttl = ttl;
        self
    }

    /// How many events may wait in the queue of this instance before the oldest are dead-lettered; `None` for
    /// any number. Of signals there may wait any number, whatever this says. Fixed when the queue is made, like
    /// [`message_ttl`](Self::message_ttl).
    pub fn max_length(mut self, messages: Option<u32>) -> Self {
        self.max_length = messages;
        self
    }
}

/// What holds for the queue of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneQueue {
    pub(crate) queue_type: QueueType,
    pub(crate) prefetch: u16,
    pub(crate) message_ttl: Option<Duration>,
    pub(crate) max_length: Option<u32>,
    pub(crate) max_attempts: u32,
}

impl AmqpConfig {
    pub(crate) fn lane_queue(&self, lane: Lane) -> LaneQueue {
        match lane {
            // No setting can make a signal wait where it could be lost.
            Lane::Signal => LaneQueue {
                queue_type: QueueType::Quorum,
                prefetch: self.prefetch,
                message_ttl: None,
                max_length: None,
                max_attempts: self.max_attempts,
            },
            Lane::Event => LaneQueue {
                queue_type: self.queue_type,
                prefetch: self.prefetch,
                message_ttl: self.message_ttl,
                max_length: self.max_length,
                max_attempts: self.max_attempts,
            },
            Lane::Command => self.commands.lane_queue(self.queue_type),
        }
    }
}
