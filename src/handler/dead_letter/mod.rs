//! Events that a handler could not handle, kept for somebody to look at.

mod letter;
mod redrive;
mod store;

pub(super) use self::{letter::NewLetter, redrive::Return};
pub use self::{
    letter::{DeadLetter, DeadLetterKind, LetterId},
    redrive::{RedriveError, Redriven},
    store::DeadLetters,
};

/// How many dead letters a bus keeps by default.
pub(crate) const DEFAULT_CAPACITY: usize = 1024;
