use std::{error::Error as StdError, io, time::Duration};

use super::fail::Carried;
use crate::{Error, Verdict};

/// What is to become of an event whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Again, after this time at least, if the policy allows.
    Retry(Duration),
    DeadLetter,
}

/// The first that has a say, from the outside in.
pub(super) fn judge(error: &(dyn StdError + 'static)) -> Fate {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(carried) = error.downcast_ref::<Carried>() {
            return carried.0.fate();
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return match error.verdict() {
                Verdict::Permanent => Fate::DeadLetter,
                Verdict::Transient => Fate::Retry(Duration::ZERO),
            };
        }
        // An I/O error leaves the one inside of it out of its sources.
        let inside = error.downcast_ref().and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    Fate::Retry(Duration::ZERO)
}
