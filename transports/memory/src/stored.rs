use std::time::{Duration, SystemTime};

use algedonic_transport::Message;
use tokio::time::Instant;

/// A message in a queue.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) deliveries: u32,
    /// When its own time is over, and when that which the queue allows.
    expires: Option<Instant>,
    leaves: Option<Instant>,
    /// Before, it is not delivered.
    pub(crate) ready: Option<Instant>,
    /// Whether it is decided what goes wrong with its next delivery.
    pub(crate) judged: bool,
}

impl Stored {
    /// A message that arrives now. Its time is counted from here on by tokio's clock, as a broker counts it by its
    /// own.
    pub(crate) fn new(message: Message, now: Instant, ttl: Option<Duration>) -> Self {
        let expires = message.metadata.expires.map(|end| {
            let left = end.duration_since(SystemTime::now()).unwrap_or_default();
            now.checked_add(left)
        });
        Self {
            message,
            deliveries: 0,
            expires: expires.flatten(),
            leaves: ttl.and_then(|ttl| now.checked_add(ttl)),
            ready: None,
            judged: false,
        }
    }

    /// Whether its own time is over.
    pub(crate) fn has_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether any of its times is over.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.has_expired(now) || self.leaves.is_some_and(|end| end <= now)
    }

    /// When it may be delivered, if that is still to come.
    pub(crate) fn not_before(&self, now: Instant) -> Option<Instant> {
        self.ready.filter(|ready| *ready > now)
    }
}
