use crate::resilience::{Classify, Kind};

/// What an outcome of a call says about the dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing: neither closes the breaker nor opens it.
    Ignore,
}

/// Says what the outcome of a call means to a breaker.
///
/// Any function of the result is one: `|result: Result<&Response, &Error>| -> Outcome`. It runs once for each call
/// that ends, with no lock held. One that panics counts as a failure, and the panic goes on.
pub trait Classifier<T, E> {
    /// What it means.
    fn outcome(&self, result: Result<&T, &E>) -> Outcome;
}

/// By the [kind](Kind) of the error: what the dependency did and what came too late are failures; what a
/// layer rejected, what was cancelled and what was wrong with the call itself is ignored. Every
/// response is a success. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKind;

/// Every error is a failure, every response a success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryError;

impl<T, E: Classify> Classifier<T, E> for ByKind {
    fn outcome(&self, result: Result<&T, &E>) -> Outcome {
        match result.map_err(|error| error.class().kind()) {
            Ok(_) => Outcome::Success,
            Err(Kind::Dependency | Kind::Timeout) => Outcome::Failure,
            Err(Kind::Cancelled | Kind::Invalid | Kind::LocalRejection) => Outcome::Ignore,
        }
    }
}

impl<T, E> Classifier<T, E> for EveryError {
    fn outcome(&self, result: Result<&T, &E>) -> Outcome {
        match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        }
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> Outcome> Classifier<T, E> for F {
    fn outcome(&self, result: Result<&T, &E>) -> Outcome {
        self(result)
    }
}
