//! A circuit breaker: stops calling a dependency that fails, and finds out when it is back.
//!
//! | state | calls | becomes |
//! |---|---|---|
//! | closed | pass, and their outcomes are counted | open, when a failure meets the [`Trip`] rule |
//! | open | are rejected at once, with the time to wait | half-open, by the first call after `reset_timeout` |
//! | half-open | a few at a time pass, as probes | closed, after `success_threshold` successes; open, by one failure, or when all probes hang for `half_open_timeout` |
//! | forced open, disabled | are rejected; pass | what a [handle](BreakerHandle) says |
//!
//! What distinguishes it:
//!
//! - **A result counts for the state in which its call was admitted, and for no other.** A call that began before
//!   the breaker opened, and fails or succeeds when it is half-open, decides nothing.
//! - **Nothing is lost on it.** A call that panics is a failure; one that is dropped counts by
//!   [`OnCancel`]; a probe that never ends does not keep the breaker half-open.
//! - **What a layer inside rejects is ignored**: a full bulkhead says nothing about the dependency.
//! - **A window slides.** What is counted is what the rule says, after any number of calls.
//! - **It is cheap.** By the default rule a call that succeeds reads a few words of memory and writes
//!   none that others read; it reads no clock, and allocates nothing. A clone of a service allocates.
//!
//! Put it inside of a retry (which then stops when it opens) and outside of a bulkhead (whose places it keeps free
//! while it is open); a timeout of one attempt belongs inside, so that what hangs counts.

mod classifier;
mod config;
pub(super) mod core;
mod error;
mod future;
mod handle;
mod layer;
mod named;
mod service;
mod shared;
mod state;
#[cfg(test)]
mod tests;

pub use self::{
    classifier::{ByKind, Classifier, EveryError, Outcome},
    config::{BreakerConfig, OnCancel, Slow, Trip},
    error::Error,
    future::ResponseFuture,
    handle::{BreakerHandle, BreakerStatus, OtherCalls},
    layer::{BreakerBuilder, BreakerLayer},
    service::Breaker,
    state::State,
};
