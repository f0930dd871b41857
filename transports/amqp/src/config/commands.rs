//! What is the queue like in which the commands of a group wait?

use std::time::Duration;

use super::{AmqpConfig, QueueType, queues::LaneQueue};

/// The queue in which commands wait for the instances of one name; for [`AmqpConfig::commands`].
///
/// | setting | default | limits |
/// |---|---|---|
/// | [`queue_type`](Self::queue_type) | that of the other queues | |
/// | [`prefetch`](Self::prefetch) | 10 | 1 to 2000 |
/// | [`message_ttl`](Self::message_ttl) | none | 1 s to 30 days |
/// | [`max_length`](Self::max_length) | none | at least 1 |
/// | [`max_attempts`](Self::max_attempts) | 20 | 2 to 1000 |
///
/// ```
/// use std::time::Duration;
/// use algedonic_amqp::{AmqpConfig, CommandQueue};
///
/// let minute = Duration::from_secs(60);
/// let config = AmqpConfig::new("amqp://localhost")?
///     .prefix("vsm")
///     .queue("s4")
///     .commands(CommandQueue::new().prefetch(1).message_ttl(Some(minute)).max_length(Some(10_000)));
/// # Ok::<(), algedonic_transport::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandQueue {
    queue_type: Option<QueueType>,
    prefetch: u16,
    message_ttl: Option<Duration>,
    max_length: Option<u32>,
    max_attempts: u32,
}

impl CommandQueue {
    /// A queue with the defaults.
    pub const fn new() -> Self {
        Self {
            queue_type: None,
            prefetch: 10,
            message_ttl: None,
            max_length: None,
            max_attempts: 20,
        }
    }

    /// The kind of queue, where it is not to be that of the other queues
    /// ([`AmqpConfig::queue_type`]). A queue keeps its kind: a change needs a new name.
    pub const fn queue_type(mut self, queue_type: QueueType) -> Self {
        self.queue_type = Some(queue_type);
        self
    }

    /// How many commands the broker may have with this instance at once, in hand or behind that; 10
    /// (requirement 4.08). What an idle instance could do waits behind a busy one, as far as that
    /// holds it: for commands that take seconds, 1.
    ///
    /// When one was not settled for 30 minutes, counted from its delivery, RabbitMQ closes the channel
    /// (`consumer_timeout`), and all that this instance holds is delivered again. One that waits behind
    /// others is among them.
    pub const fn prefetch(mut self, commands: u16) -> Self {
        self.prefetch = commands;
        self
    }

    /// How long a command may wait before it is dead-lettered; `None` for ever. Fixed when the queue
    /// is made: a change needs a new name, or a policy on the broker.
    pub const fn message_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.message_ttl = ttl;
        self
    }

    /// How many commands may wait; `None` for any number. Beyond it the broker refuses more, and
    /// their senders learn [`Rejected`](algedonic_transport::Outcome::Rejected): no command is dropped
    /// to make room. A quorum queue may take a few more first. Fixed when the queue is made, like
    /// [`message_ttl`](Self::message_ttl).
    pub const fn max_length(mut self, commands: Option<u32>) -> Self {
        self.max_length = commands;
        self
    }

    /// How often one command is delivered before it is dead-lettered, as
    /// [`AmqpConfig::max_attempts`] says of the rest; 20, RabbitMQ's own limit from 4.0 on. Fewer than
    /// of events: a command that ends its process each time should not end many.
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    pub(super) fn lane_queue(self, others: QueueType) -> LaneQueue {
        LaneQueue {
            queue_type: self.queue_type.unwrap_or(others),
            prefetch: self.prefetch,
            message_ttl: self.message_ttl,
            max_length: self.max_length,
            max_attempts: self.max_attempts,
        }
    }
}

impl Default for CommandQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl AmqpConfig {
    /// What the queue of commands is like: `{prefix}.{queue}.commands`, which the instances of this
    /// name share. It is made when one of them first receives commands, and stays: a command waits for
    /// an instance, however long none is there. For that it needs a [`queue`](Self::queue) name.
    pub fn commands(mut self, queue: CommandQueue) -> Self {
        self.commands = queue;
        self
    }
}
