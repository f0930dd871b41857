use std::fmt;

use algedonic_transport::Message;

/// A message that the broker took out of a queue, and kept for an operator; from
/// [`Broker::dead_letters`](crate::Broker::dead_letters).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The message.
    pub message: Message,
    /// Why it is here.
    pub cause: DeathCause,
    /// How often it had been delivered.
    pub deliveries: u32,
}

/// Why a message is a dead letter. `Display` gives the reason as RabbitMQ writes it into `x-death`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeathCause {
    /// Its receiver dead-lettered it.
    Rejected,
    /// It waited longer than [`Limits::message_ttl`](crate::Limits::message_ttl).
    Expired,
    /// The queue was full, and it was the oldest ([`Overflow::DropHead`](crate::Overflow::DropHead)).
    MaxLength,
    /// It came back more often than [`Limits::delivery_limit`](crate::Limits::delivery_limit) allows.
    DeliveryLimit,
}

impl fmt::Display for DeathCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        })
    }
}
