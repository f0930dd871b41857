use algedonic_transport::{EventId, Metadata};

use crate::{event::Event, local::Cell};

/// What is to be published: an event, or a [`Supply`] of it.
pub(crate) struct Draft<S> {
    pub(crate) event: S,
    /// All of its metadata, where something was said beyond the event.
    pub(crate) full: Option<Box<Metadata>>,
}

/// Where the event of a publish comes from, at the moment at which it is published.
pub(crate) trait Supply<E> {
    /// The event; None if it is not to be published any more. Called under the lane's lock: it may
    /// take no other that is held while something of a user's runs.
    fn supply(self) -> Option<E>;
}

impl<E: Event> Supply<E> for E {
    #[inline]
    fn supply(self) -> Option<E> {
        Some(self)
    }
}

/// What has been published.
pub(crate) struct Committed {
    pub(crate) id: EventId,
    /// How many subscribers have it.
    pub(crate) subscribers: u64,
    /// Where its outcome elsewhere will be told, if the lane has a tap.
    pub(crate) cell: Option<Cell>,
}

impl Committed {
    /// Published to those who read the log, one of whom is the tap where there is a cell.
    #[inline]
    pub(super) fn heard(id: EventId, readers: u64, cell: Option<Cell>) -> Self {
        Self {
            id,
            subscribers: readers - u64::from(cell.is_some()),
            cell,
        }
    }
}

/// Why nobody got the event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The bus is shut down, or the event is not [supplied](Supply).
    Closed,
    /// A subscriber is full that would have publishing fail.
    Busy,
    /// Waiting was not wanted.
    WouldWait,
}
