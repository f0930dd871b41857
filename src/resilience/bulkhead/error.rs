use std::{error::Error as StdError, fmt};

use crate::resilience::{Class, Classify, Reason, Rejection};

/// Why a call through a bulkhead failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// No slot was free, and no place to wait for one; the service was not called.
    Full(Rejection),
    /// The service failed, and this is what it said.
    Inner(E),
    /// No slot became free in time; the service was not called.
    Timeout(Rejection),
}

impl<E> Error<E> {
    pub(super) const fn rejected(rejection: Rejection) -> Self {
        match rejection.reason() {
            Reason::BulkheadTimeout => Self::Timeout(rejection),
            _ => Self::Full(rejection),
        }
    }

    /// What the service said, if it was called.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Full(_) | Self::Timeout(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// Whether there was neither a slot nor a place to wait.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether no slot became free in time.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }
}

impl<E: Classify> Classify for Error<E> {
    fn class(&self) -> Class {
        match self {
            Self::Full(rejection) | Self::Timeout(rejection) => rejection.class(),
            Self::Inner(error) => error.class(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(rejection) | Self::Timeout(rejection) => rejection.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    /// The rejection or the service's error itself, so that who looks for its type finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Full(rejection) | Self::Timeout(rejection) => Some(rejection),
            Self::Inner(error) => Some(error),
        }
    }
}
