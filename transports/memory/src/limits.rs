use std::time::Duration;

/// How much a [`Broker`](crate::Broker) keeps, and how long it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many messages may await their outcome on each lane of a transport; 512.
    pub window: usize,
    /// How many deliveries of one lane may be unsettled before the next waits; 100.
    pub prefetch: usize,
    /// How many messages may wait in one queue; at this bound a message is
    /// [`Rejected`](algedonic_transport::Outcome::Rejected). 100,000.
    pub queue: usize,
    /// How many dead letters are kept for one receiver; the oldest goes first, and is counted. 10,000.
    pub dead_letters: usize,
    /// The largest body, in bytes; 16 MiB, as RabbitMQ 4.
    pub max_body_bytes: usize,
    /// How long an outcome may take; then it is
    /// [`Unknown`](algedonic_transport::Outcome::Unknown). 5 seconds.
    pub confirm_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 512,
            prefetch: 100,
            queue: 100_000,
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
    /// Messages that expired before they were taken.
    pub expired: u64,
    /// Messages that were not persistent, at a stop of the broker.
    pub transient: u64,
}
