use std::{convert::Infallible, error::Error as StdError, fmt};

use crate::resilience::{Class, Classify};

/// Why a call failed in spite of a fallback. `B` is how the fallback may fail; one that
/// [responds](super::FallbackBuilder::respond) cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E, B = Infallible> {
    /// The service failed, and the fallback does not take such an error; this is what the service said.
    Inner(E),
    /// The service failed, and the fallback, too.
    Both {
        /// What the service said.
        primary: E,
        /// What the fallback said.
        backup: B,
    },
}

impl<E, B> Error<E, B> {
    /// What the service said.
    pub fn into_inner(self) -> E {
        match self {
            Self::Inner(error) => error,
            Self::Both { primary, .. } => primary,
        }
    }

    /// The same, without taking it.
    pub const fn primary(&self) -> &E {
        match self {
            Self::Inner(error) => error,
            Self::Both { primary, .. } => primary,
        }
    }

    /// What the fallback said, if it was asked.
    pub const fn backup(&self) -> Option<&B> {
        match self {
            Self::Inner(_) => None,
            Self::Both { backup, .. } => Some(backup),
        }
    }
}

impl<E: Classify, B> Classify for Error<E, B> {
    /// That of the service: whether to try again is for who knows the service, not its stand-in.
    fn class(&self) -> Class {
        self.primary().class()
    }
}

impl<E: fmt::Display, B: fmt::Display> fmt::Display for Error<E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inner(error) => error.fmt(f),
            Self::Both { primary, backup } => write!(f, "{primary}; then the fallback: {backup}"),
        }
    }
}

impl<E: StdError + 'static, B: StdError> StdError for Error<E, B> {
    /// What the service said itself, so that who looks for its type finds it.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.primary())
    }
}
