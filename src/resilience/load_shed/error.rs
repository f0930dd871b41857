use std::{error::Error as StdError, fmt};

use crate::resilience::{Class, Classify, Rejection};

/// Why a call through a load shed failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The service was not ready, and was not called.
    Shed(Rejection),
    /// The service failed, and this is what it said.
    Inner(E),
}

impl<E> Error<E> {
    /// What the service said, if it was called.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Self::Shed(_) => None,
            Self::Inner(error) => Some(error),
        }
    }

    /// Whether the service was not ready.
    pub const fn is_shed(&self) -> bool {
        matches!(self, Self::Shed(_))
    }
}

impl<E: Classify> Classify for Error<E> {
    fn class(&self) -> Class {
        match self {
            Self::Shed(rejection) => rejection.class(),
            Self::Inner(error) => error.class(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shed(rejection) => rejection.fmt(f),
            Self::Inner(error) => error.fmt(f),
        }
    }
}

impl<E: StdError + 'static> StdError for Error<E> {
    /// The rejection or the service's error itself, so that who looks for its type finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Shed(rejection) => Some(rejection),
            Self::Inner(error) => Some(error),
        }
    }
}
