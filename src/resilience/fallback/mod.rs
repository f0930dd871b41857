//! A fallback: what to answer when a service cannot.
//!
//! | it answers by | made by | of the request it needs |
//! |---|---|---|
//! | a function of the error | [`respond`](FallbackBuilder::respond) | nothing |
//! | a function of the request and the error, whose future is awaited | [`recover`](FallbackBuilder::recover) | a clone |
//! | another service: another region, a cache, the bus of this process | [`service`](FallbackBuilder::service) | a clone |
//!
//! It takes the errors of the [kinds](crate::resilience::Kind) that are configured, which is what the dependency did,
//! what came too late, and what a layer inside refused: while a breaker is open, a bulkhead full, calls are answered
//! all the same. An error that it does not take passes as it was, [`Error::Inner`]; if the fallback fails as well
//! its caller gets both errors, [`Error::Both`], that of the service first.
//!
//! What distinguishes it:
//!
//! - **What the service has held is free before the fallback begins**: its call is dropped first, and with it
//!   its slot, its place, its connection.
//! - **The error that was answered is not lost**: it can be [inspected](FallbackBuilder::inspect) in its own type,
//!   and an observer is told [how often](crate::resilience::What::FellBack).
//! - **It is cheap.** The other service is cloned when it is needed, not for each call; the
//!   request is cloned only where the table says so, once for each call.
//!
//! # Order
//!
//! Outside of everything whose refusals it is to answer:
//!
//! ```text
//! right:  fallback(retry(breaker(bulkhead(timeout(service)))))
//! wrong:  retry(breaker(fallback(service)))      nothing fails any more: neither learns of it
//! ```

mod backup;
mod config;
mod error;
mod future;
mod handle;
mod layer;
mod service;
mod shared;
mod takes;
#[cfg(test)]
mod tests;

pub use self::{
    backup::{Another, Backup, Recover, Respond},
    config::FallbackConfig,
    error::Error,
    future::ResponseFuture,
    handle::{FallbackHandle, FallbackStatus},
    layer::{Extra, FallbackBuilder, FallbackLayer},
    service::Fallback,
    takes::{ByKind, EveryError, Inspected, Takes},
};
