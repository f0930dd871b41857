use std::{fmt, num::NonZeroUsize};

/// The bounded place in which events wait for one subscriber, and what happens when it is full.
///
/// Defaults to [`Lag::DropOldest`] and 1,024 events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub(crate) lag: Lag,
    pub(crate) capacity: NonZeroUsize,
}

/// What happens when a subscriber's buffer is full. Chosen by each subscriber for itself; one
/// lane may have subscribers of every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lag {
    /// The publisher waits for room: nothing is lost, and the slowest such subscriber sets the pace,
    /// also of what arrives from other processes.
    ///
    /// A publisher that waits is let in again when the subscriber has read for some 10 µs, or a quarter of
    /// its capacity, or all, so that the two do not wake each other for every event; a slow subscriber, one
    /// with a capacity below 64, and one of a pattern let one in for each event that they read. One that was
    /// quick, and stops before a quarter, leaves it waiting, though there is some room.
    ///
    /// A task that both publishes and reads waits for itself when the buffer is full and nobody else reads
    /// it: let two tasks do that, or use [`Publisher::try_publish`](crate::Publisher::try_publish). What is
    /// lent ([`recv_ref`](crate::Subscription::recv_ref), [`recv_many`](crate::Subscription::recv_many))
    /// takes up room until the next call.
    Block,
    /// The oldest unread event makes room. It is counted, and the subscriber is told by a [`Gap`].
    DropOldest,
    /// What does not fit is not delivered to this subscriber: it keeps the oldest. Counted, and told
    /// by a [`Gap`] where the missing events would have been.
    DropNewest,
    /// The publisher learns: `publish` fails with [`ErrorKind::Busy`](crate::ErrorKind::Busy), and
    /// *nobody* gets the event, so that it can be published again without being doubled. What arrives
    /// from other processes waits, as with `Block`: they learn by back pressure.
    Error,
}

impl Buffer {
    /// The largest capacity, in events.
    pub const MAX_CAPACITY: usize = 1 << 20;

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

    /// A buffer that keeps the first `capacity` unread events.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub const fn drop_newest(capacity: usize) -> Self {
        Self::new(Lag::DropNewest, capacity)
    }

    /// A buffer that makes publishing fail when `capacity` events are unread.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new).
    pub const fn error(capacity: usize) -> Self {
        Self::new(Lag::Error, capacity)
    }

    /// A buffer of the given policy and capacity, in events. Its memory is taken as events come.
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
///
/// Events are numbered for each subscription by itself, from 0: every event that was published for it counts
/// one, whether it gets it, or misses it, or it is left out because its time has passed. Retained events,
/// which come before, have no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The number of the first missing event.
    pub from: u64,
    /// The number of the last missing event.
    pub to: u64,
    /// How many events are missing here: `to - from + 1`.
    pub missed: u64,
}

impl Gap {
    /// `missed` events, at least one, from number `from` on.
    pub(crate) const fn new(from: u64, missed: u64) -> Self {
        Self {
            from,
            to: from + missed - 1,
            missed,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events are missing here (numbers {} to {}): the subscriber lagged",
            self.missed, self.from, self.to
        )
    }
}

impl std::error::Error for Gap {}
