use std::time::SystemTime;

use algedonic_transport::Message;

/// A message that is stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Its place in the order, over all lanes and all lives of the spool: 1 for the first ever.
    pub sequence: u64,
    /// When it was stored, to the millisecond.
    pub stored: SystemTime,
    /// The message, as it was appended; its expiry is exact to the millisecond.
    pub message: Message,
}

impl Record {
    /// A record of a [`Spool`](super::Spool) of your own.
    pub fn new(sequence: u64, stored: SystemTime, message: Message) -> Self {
        Self {
            sequence,
            stored,
            message,
        }
    }
}
