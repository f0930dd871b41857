use std::fmt;

use crate::event::AnyEnvelope;

/// Whoever takes an event back.
pub(in crate::handler) trait Return: Send + Sync {
    /// The event's attempts begin anew.
    fn take_back(&self, event: &AnyEnvelope) -> Result<(), RedriveError>;
}

/// Why a dead letter was not redriven; it stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedriveError {
    /// There is no letter of this id: it was removed, redriven, or made room for another.
    NotFound,
    /// Its handler has ended, or, if it has a group, the last handler of the group.
    HandlerEnded,
    /// As many events as its handler's buffer holds already wait for a key or a retry.
    NoRoom,
}

/// What [`DeadLetters::redrive_where`](crate::DeadLetters::redrive_where) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redriven {
    /// Letters that went back to their handlers.
    pub redriven: u64,
    /// Letters that were selected, and stay: see [`RedriveError`].
    pub refused: u64,
}

impl fmt::Display for RedriveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "there is no dead letter of this id",
            Self::HandlerEnded => "the handler of this dead letter has ended",
            Self::NoRoom => "the handler of this dead letter has no room for it now",
        })
    }
}

impl std::error::Error for RedriveError {}
