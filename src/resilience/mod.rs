//! Circuit breaker, bulkhead, retry, rate limit, timeout, fallback and load shed, as layers around any
//! [`tower::Service`]: a call to a database, to an HTTP server, to a broker.
//!
//! Each layer is a module with the same names in it, so that who knows one knows all:
//!
//! | name | what it is |
//! |---|---|
//! | `XConfig` | the settings, with serde; what cannot work is a [`ConfigError`] that names the field and the rule |
//! | `XLayer` | the layer. It holds the state: every service that it makes, and every clone of one, shares it. Cheap to clone |
//! | `X<S>` | the service around `S` |
//! | `ResponseFuture` | its future; never boxed |
//! | `XBuilder` | makes the layer, with a name, an observer, and what else is no setting; a [`Builder`] |
//! | `Error<E>` | what the layer itself refuses, in variants of its own, or the error of the service, as it was. A retry has none: it says what the last attempt said |
//! | `XHandle` | state, counts and control from outside; outlives the services |
//!
//! What all of them share:
//!
//! - **Classification.** [`Classify`] says of an error what went wrong. A breaker counts what the
//!   dependency did, never what another layer refused; a retry does not repeat what a layer refused.
//! - **Rejections.** A layer that refuses a call says by a [`Rejection`] which one it is, why, and when to
//!   come back.
//! - **Observers.** An [`Observer`] is told what happens to a component: transitions at once, rejections at
//!   most once in a second, with their number. It runs after every lock is released, and what
//!   panics in it stays there. Who sets none pays nothing. [`Traced`] is one that writes a log;
//!   [`Bus::alarms`](crate::Bus::alarms) gives another, which raises pain and pleasure.
//! - **Time** is tokio's: tests pause and advance it.
//! - **Cost.** An admitted call and a rejected one allocate nothing.
//!
//! # The order
//!
//! From the outside to the inside:
//!
//! ```text
//! right:  fallback(timeout(total, retry(breaker(rate_limit(bulkhead(load_shed(timeout(attempt, service))))))))
//! wrong:  load_shed(timeout(total, service))  that is ready at once, and its calls wait inside: nothing is shed
//! wrong:  bulkhead(retry(service))       a call that only waits for its next attempt takes a slot from others
//! wrong:  breaker(fallback(service))     nothing fails any more: the breaker never opens
//! wrong:  retry(timeout(total, service)) each attempt has the time of all
//! ```
//!
//! What a load shed sheds is a call that comes while what is inside of it is not ready: it belongs directly around what
//! makes its callers wait in `poll_ready`, such as a client with few connections or a `tower` limit. So it sheds
//! whoever comes, also a later attempt, or who has waited for a slot.
//!
//! Which are needed is another matter; often these are:
//!
//! ```
//! # use std::{io, time::Duration};
//! use algedonic::resilience::{
//!     breaker::{BreakerConfig, BreakerLayer},
//!     bulkhead::{BulkheadConfig, BulkheadLayer},
//!     fallback::{FallbackConfig, FallbackLayer},
//!     retry::{RetryConfig, RetryLayer},
//!     timeout::{TimeoutConfig, TimeoutLayer},
//! };
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let second = Duration::from_secs(1);
//! let usual_price = FallbackLayer::builder(FallbackConfig::default()).respond(|_: &io::Error| 100);
//! let mut pricing = ServiceBuilder::new()
//!     .layer(usual_price.build()?)
//!     .map_err(io::Error::other) // else the error is of five layers, one in the other
//!     .layer(TimeoutLayer::named("pricing", TimeoutConfig::total(5 * second))?)
//!     .layer(RetryLayer::named("pricing", RetryConfig::default())?)
//!     .layer(BreakerLayer::named("pricing", BreakerConfig::default())?)
//!     .layer(BulkheadLayer::named("pricing", BulkheadConfig::default())?)
//!     .layer(TimeoutLayer::named("pricing", TimeoutConfig::attempt(second))?)
//!     .service(service_fn(|article: u64| async move { Ok::<_, io::Error>(article * 20) }));
//!
//! assert_eq!(pricing.ready().await?.call(7).await?, 140);
//! # Ok(())
//! # }
//! ```
//!
//! A [`registry`] makes and finds breakers, bulkheads and retries by name, and reports how all of them are and what they
//! have counted.
//!
//! # In the tests of an application
//!
//! Each failure can be had without a dependency, and without waiting (requirement 1.25): a breaker is opened by its handle,
//! or by calls that fail; slots of a bulkhead are taken and kept; time is tokio's, and passes when the test says so.
//!
//! ```
//! # use std::{io, time::Duration};
//! use algedonic::resilience::{breaker::State, registry::Registry};
//!
//! /// The code under test: the usual price, if nobody knows better.
//! async fn price(registry: &Registry, asked: Result<u32, io::Error>) -> u32 {
//!     let call = || registry.with_worker_pool(|| async { asked });
//!     registry.with_external_api_breaker(call).await.unwrap_or(100)
//! }
//!
//! // A test: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let registry = Registry::default();
//! let breaker = registry.breaker("external_api");
//! assert_eq!(price(&registry, Ok(120)).await, 120);
//!
//! breaker.force_open(); // by hand, until it is reset
//! assert_eq!(price(&registry, Ok(120)).await, 100);
//! breaker.reset();
//!
//! for _ in 0..5 {
//!     price(&registry, Err(io::ErrorKind::ConnectionRefused.into())).await;
//! }
//! assert_eq!(breaker.state(), State::Open); // by itself
//! tokio::time::advance(breaker.status().retry_after.expect("known")).await;
//! assert_eq!(breaker.state(), State::HalfOpen);
//! assert_eq!(price(&registry, Ok(120)).await, 120); // a probe
//!
//! let pool = registry.bulkhead("worker_agent");
//! let slots: Vec<_> = std::iter::from_fn(|| pool.try_checkout().ok()).collect();
//! assert_eq!(price(&registry, Ok(120)).await, 100); // after the 5 s that it waits for a slot
//! assert_eq!(pool.status().timed_out, 1);
//! # drop(slots);
//! # }
//! ```
//!
//! What is random (jitter, a ramp) is the same in every run with a [`seed`](Builder::seed), and none with a jitter of 0.

#![expect(
    clippy::inline_always,
    reason = "a call through layers in one another is in line as a whole, or each of them moves its future and its result"
)]

// How a layer is written here. A folder for each, with the same files:
//
//   mod.rs       what the layer is, when to use it, an example; the names it gives out
//   config.rs    XConfig, its defaults with their sources, `validate` by `config::Check`
//   layer.rs     XLayer: from a config to shared state, and the names and observers given to it
//   service.rs   X<S>: readiness and call. Takes slots and tickets in `call`, none in `poll_ready`
//   future.rs    ResponseFuture, by pin-project
//   error.rs     Error<E>, its `Classify`, its `Display`: a rejection, or what the service said
//   handle.rs    XHandle
//   shared.rs    what services, futures and handles hold: core, clock, counts, reporter
//   core/        the algorithm: no tokio, no service, time given in nanoseconds. Atomics and locks
//                from `sync`, or loom does not see them
//   tests/       model.rs, a plain model of the core; properties.rs, one proptest for each property,
//                named by its id; contract.rs, the layer among other services, on paused time
//
// Shared by all: `asked`, `builder`, `classify`, `clock`, `config`, `counter`, `deadline`, `name`, `observer`, `random`,
// `rejection`, `storm`; by tests: `acts`, `contract`, `probe`, `rig`, `steps`. Layers around layers are in `composition`. Models of threads are in `models`.

pub mod breaker;
pub mod bulkhead;
pub mod fallback;
pub mod load_shed;
pub mod rate_limit;
pub mod registry;
pub mod retry;
pub mod timeout;

#[cfg(test)]
mod acts;
mod asked;
mod builder;
mod classify;
mod clock;
#[cfg(test)]
mod composition;
pub(crate) mod config;
#[cfg(test)]
mod contract;
mod counter;
mod deadline;
#[cfg(all(test, algedonic_loom))]
mod models;
mod name;
mod observer;
#[cfg(test)]
mod probe;
mod random;
mod rejection;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod steps;
mod storm;
mod sync;
mod traced;

pub use self::{
    builder::{Builder, Classified},
    classify::{Class, Classify, Kind},
    config::ConfigError,
    deadline::deadline,
    name::Name,
    observer::{Notice, Observer, What},
    rejection::{Reason, Rejection},
    storm::Untold,
    traced::Traced,
};
pub(crate) use self::{deadline::Inside, storm::TELL_EVERY};
