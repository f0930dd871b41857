use algedonic_transport::EventId;

use crate::mirror::{Mirrored, Pending};

/// What a publisher gets back: the local outcome now, the remote outcome when it is known.
///
/// Dropping it changes nothing: the event goes its way.
#[derive(Debug)]
pub struct Receipt {
    id: EventId,
    local: Delivered,
    remote: Pending,
}

/// The local outcome of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// How many subscribers, of its type and of patterns, got it into their buffers. One that is full and chose
    /// [`Lag::DropNewest`](crate::Lag::DropNewest) did not.
    pub subscribers: u64,
}

impl Receipt {
    #[inline]
    pub(super) fn new(id: EventId, subscribers: u64, remote: Pending) -> Self {
        Self {
            id,
            local: Delivered { subscribers },
            remote,
        }
    }

    /// The id that the event was given.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The local outcome.
    pub fn local(&self) -> Delivered {
        self.local
    }

    /// The remote outcome, which resolves exactly once.
    ///
    /// Awaiting it before the next publish is how a publisher keeps to the broker's pace, if it
    /// wants to.
    pub fn remote(self) -> Mirrored {
        Mirrored::new(self.remote)
    }
}
