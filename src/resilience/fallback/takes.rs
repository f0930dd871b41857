use std::fmt;

use super::FallbackConfig;
use crate::resilience::{Classify, Kind};

/// Says which errors a fallback takes.
///
/// Any function of an error is one: `|error: &Error| -> bool`. It runs once for each call that failed.
pub trait Takes<E> {
    /// Whether it answers this one; else the error passes as it is.
    fn takes(&self, error: &E) -> bool;
}

/// Those of the [kinds](FallbackConfig::kinds) that are configured. The default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByKind {
    /// A bit for each.
    kinds: u8,
}

impl ByKind {
    pub(super) fn new(config: &FallbackConfig) -> Self {
        let bits = config.kinds.iter().map(|kind| bit(*kind));
        Self {
            kinds: bits.fold(0, |all, bit| all | bit),
        }
    }
}

const fn bit(kind: Kind) -> u8 {
    1 << kind as u8
}

impl<E: Classify> Takes<E> for ByKind {
    fn takes(&self, error: &E) -> bool {
        self.kinds & bit(error.class().kind()) != 0
    }
}

/// Every error, whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryError;

impl<E> Takes<E> for EveryError {
    fn takes(&self, _: &E) -> bool {
        true
    }
}

impl<E, F: Fn(&E) -> bool> Takes<E> for F {
    fn takes(&self, error: &E) -> bool {
        self(error)
    }
}

/// The same errors, each of which is shown to a function; see [`inspect`](super::FallbackBuilder::inspect).
#[derive(Clone, Copy)]
pub struct Inspected<W, F> {
    pub(super) takes: W,
    pub(super) inspect: F,
}

impl<E, W: Takes<E>, F: Fn(&E)> Takes<E> for Inspected<W, F> {
    fn takes(&self, error: &E) -> bool {
        let taken = self.takes.takes(error);
        if taken {
            (self.inspect)(error);
        }
        taken
    }
}

impl<W: fmt::Debug, F> fmt::Debug for Inspected<W, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspected")
            .field("takes", &self.takes)
            .finish_non_exhaustive()
    }
}
