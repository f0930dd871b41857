use std::{error::Error as StdError, fmt};

use crate::resilience::{Class, Classify, Rejection};

/// Why a call through a rate limit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// There were too many calls, and the service was not called; the rejection says
    /// [when](Rejection::retry_after) it could be.
    Limited(Rejection),
    /// The service failed, and this is what it said.
    Inner(E),
}

impl<E> Error<E> {
    /// What the service said, if it was called.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Limited(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// Whether there were too many calls.
    pub const fn is_limited(&self) -> bool {
        matches!(self, Self::Limited(_))
    }
}

impl<E: Classify> Classify for Error<E> {
    fn class(&self) -> Class {
        match self {
            Self::Limited(rejection) => rejection.class(),
            Self::Inner(error) => error.class(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limited(rejection) => rejection.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    /// The rejection or the service's error itself, so that who looks for its type finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Limited(rejection) => Some(rejection),
            Self::Inner(error) => Some(error),
        }
    }
}
