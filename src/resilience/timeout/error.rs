use std::{error::Error as StdError, fmt, time::Duration};

use super::Covers;
use crate::resilience::{Class, Classify, Kind, Name};

/// Why a call through a timeout failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// It took too long, and was dropped.
    Elapsed(Elapsed),
    /// The service failed, and this is what it said.
    Inner(E),
}

/// A call that took too long: whose timeout it was, what it covers, and how long that may take. Of the kind
/// [`Timeout`](Kind::Timeout): what was asked for may have happened.
// As small as a rejection, and for the same reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Elapsed {
    name: Name,
    covers: Covers,
    /// In nanoseconds.
    limit: u64,
}

impl Elapsed {
    pub(super) const fn new(name: Name, covers: Covers, limit: u64) -> Self {
        Self {
            name,
            covers,
            limit,
        }
    }

    /// The component.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Whether an attempt or the whole took too long.
    pub const fn covers(&self) -> Covers {
        self.covers
    }

    /// How long it might take.
    pub const fn limit(&self) -> Duration {
        Duration::from_nanos(self.limit)
    }
}

impl<E> Error<E> {
    /// What the service said, if it did in time.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Elapsed(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// Whether it took too long.
    pub const fn is_elapsed(&self) -> bool {
        matches!(self, Self::Elapsed(_))
    }
}

impl fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elapsed")
            .field("name", &self.name)
            .field("covers", &self.covers)
            .field("limit", &self.limit())
            .finish()
    }
}

impl Classify for Elapsed {
    fn class(&self) -> Class {
        Class::of(Kind::Timeout)
    }
}

impl<E: Classify> Classify for Error<E> {
    fn class(&self) -> Class {
        match self {
            Self::Elapsed(elapsed) => elapsed.class(),
            Self::Inner(error) => error.class(),
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { name, covers, .. }, limit) = (self, self.limit());
        write!(f, "{name}: {covers} took longer than {limit:?}")
    }
}

impl StdError for Elapsed {}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elapsed(elapsed) => elapsed.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    /// What elapsed or the service's error itself, so that who looks for its type finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Elapsed(elapsed) => Some(elapsed),
            Self::Inner(error) => Some(error),
        }
    }
}
