use std::time::Duration;

use crate::{
    Verdict,
    resilience::{Class, Classify, Kind},
};

/// What is to be done about the outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// It is final.
    Return,
    /// Another attempt, after the delay.
    Retry,
    /// The same, but the delay begins only when this time is over.
    RetryAfter(Duration),
}

impl Decision {
    /// What the verdict of an error says, and its [`retry_after`](Class::retry_after).
    const fn by(class: &Class) -> Self {
        match (class.verdict(), class.retry_after()) {
            (Verdict::Permanent, _) => Self::Return,
            (Verdict::Transient, None) => Self::Retry,
            (Verdict::Transient, Some(least)) => Self::RetryAfter(least),
        }
    }
}

/// Says what is to be done about the outcome of an attempt.
///
/// Any function of the result is one: `|result: Result<&Response, &Error>| -> Decision`. It runs once for each attempt
/// that ends, with no lock held.
pub trait Classifier<T, E> {
    /// What is to be done.
    fn decide(&self, result: Result<&T, &E>) -> Decision;
}

/// By the [verdict](Class::verdict) of the error: what is transient is tried again. What a layer inside refused is
/// not: that would hammer at an open breaker, or at a full bulkhead. Every response is final. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByVerdict;

/// The same, and what a layer inside refused is tried again too, not before it said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RejectionsToo;

/// Every error is tried again, every response is final.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EveryError;

impl<T, E: Classify> Classifier<T, E> for ByVerdict {
    fn decide(&self, result: Result<&T, &E>) -> Decision {
        match result.map_err(Classify::class) {
            Ok(_) => Decision::Return,
            Err(class) if class.kind() == Kind::LocalRejection => Decision::Return,
            Err(class) => Decision::by(&class),
        }
    }
}

impl<T, E: Classify> Classifier<T, E> for RejectionsToo {
    fn decide(&self, result: Result<&T, &E>) -> Decision {
        match result.map_err(Classify::class) {
            Ok(_) => Decision::Return,
            Err(class) => Decision::by(&class),
        }
    }
}

impl<T, E> Classifier<T, E> for EveryError {
    fn decide(&self, result: Result<&T, &E>) -> Decision {
        match result {
            Ok(_) => Decision::Return,
            Err(_) => Decision::Retry,
        }
    }
}

impl<T, E, F: Fn(Result<&T, &E>) -> Decision> Classifier<T, E> for F {
    fn decide(&self, result: Result<&T, &E>) -> Decision {
        self(result)
    }
}
