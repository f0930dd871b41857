use std::time::Duration;

/// How much a [`Broker`](crate::Broker) keeps, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many messages may await their outcome on each lane of a transport; 512.
    pub window: usize,
    /// How many deliveries of one lane may be unsettled at one transport before the next waits; 100.
    pub prefetch: usize,
    /// How many messages may wait in one queue, without the unsettled; 100,000. Beyond it `overflow` decides.
    pub queue: usize,
    /// What happens when a queue is full; [`Overflow::RejectPublish`], which is always so for commands.
    pub overflow: Overflow,
    /// How long a message may wait in a queue (`x-message-ttl`), by tokio's clock; without a bound by default. Then
    /// it is a dead letter, once it is the first of its queue.
    pub message_ttl: Option<Duration>,
    /// How often a message may come back unacknowledged (`x-delivery-limit`); without a bound by default. With 2 the
    /// third return makes it a dead letter, after three deliveries.
    pub delivery_limit: Option<u32>,
    /// How many dead letters are kept for one receiver; the oldest goes first, and is counted. 10,000.
    pub dead_letters: usize,
    /// The largest body, in bytes; 16 MiB, as RabbitMQ 4.
    pub max_body_bytes: usize,
    /// How long an outcome may take; then it is
    /// [`Unknown`](algedonic_transport::Outcome::Unknown). 5 seconds.
    pub confirm_deadline: Duration,
}

/// What happens to a message that comes to a full queue (`x-overflow`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// It is not stored there, and its sender learns [`Rejected`](algedonic_transport::Outcome::Rejected). Queues
    /// that have room get it all the same, as in RabbitMQ.
    #[default]
    RejectPublish,
    /// The oldest that waits makes room, and is a dead letter. The sender learns nothing. Never a
    /// command: a full queue of these rejects.
    DropHead,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 512,
            prefetch: 100,
            queue: 100_000,
            overflow: Overflow::default(),
            message_ttl: None,
            delivery_limit: None,
            dead_letters: 10_000,
            max_body_bytes: 16 << 20,
            confirm_deadline: Duration::from_secs(5),
        }
    }
}

/// What a [`Broker`](crate::Broker) let go of, as it must: no loss without a count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Losses {
    /// Dead letters that made room for later ones.
    pub dead_letters: u64,
    /// Messages whose own time (`Metadata::expires`) passed before they were taken.
    pub expired: u64,
    /// Messages that were not persistent, at a stop of the broker.
    pub transient: u64,
}
