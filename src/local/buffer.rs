use std::{fmt, num::NonZeroUsize};

/// The bounded place in which events wait for one subscriber, and what happens when it is full.
///
/// Defaults to [`Lag::DropOldest`] and 1,024 events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub(crate) lag: Lag,
    pub(crate) capacity: NonZeroUsize,
}

/// What happens when a subscriber's buffer is full. Chosen by each subscriber for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lag {
    /// The publisher waits for room: nothing is lost, and the slowest such subscriber sets the pace,
    /// also of what arrives from other processes.
    Block,
    /// The oldest buffered event makes room. It is counted, and the subscriber is told by a [`Gap`].
    DropOldest,
}

impl Buffer {
    /// A buffer that makes publishers wait when `capacity` events are unread.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub const fn block(capacity: usize) -> Self {
        Self::new(Lag::Block, capacity)
    }

    /// A buffer that keeps the latest `capacity` events.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub const fn drop_oldest(capacity: usize) -> Self {
        Self::new(Lag::DropOldest, capacity)
    }

    /// The largest capacity, in events: the room is taken when the subscription is made.
    pub const MAX_CAPACITY: usize = 1 << 20;

    /// A buffer of the given policy and capacity, in events.
    ///
    /// # Panics
    ///
    /// When `capacity` is 0, or above [`MAX_CAPACITY`](Self::MAX_CAPACITY).
    pub const fn new(lag: Lag, capacity: usize) -> Self {
        assert!(
            capacity <= Self::MAX_CAPACITY,
            "a buffer holds at most 1,048,576 events"
        );
        let capacity = NonZeroUsize::new(capacity).expect("a buffer holds at least one event");
        Self { lag, capacity }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Self::drop_oldest(1024)
    }
}

/// Told to a subscriber in the place of events that it will not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// How many events are missing here.
    pub missed: u64,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events are missing here: the subscriber lagged",
            self.missed
        )
    }
}

impl std::error::Error for Gap {}
