//! Load shed: a call that a service has no room for is refused at once, instead of waiting where nobody sees it.
//!
//! | a call | while the service inside is ready | while it is not |
//! |---|---|---|
//! | any | is called | is refused at once: [`Error::Shed`] |
//! | one that is [exempt](LoadShedBuilder::exempt_if), such as a signal | is called | waits until it is |
//!
//! Whether it is ready was asked when the caller last asked for readiness, which always is given at once.
//!
//! What distinguishes it:
//!
//! - **What must not be lost is not shed**: a function of the request says which that is. It waits
//!   in the service inside, from the call on, in the order that this keeps; a timeout around says for how long.
//! - **Who is not ready leaves nothing behind** in the service inside: no waker, no place in a queue, no slot that
//!   comes later to somebody who is gone.
//! - **It is cheap.** An admitted call costs a few instructions; neither it nor one that is refused allocates. While
//!   the service is not ready each call clones it.
//!
//! # Order
//!
//! Directly around what makes its callers wait in `poll_ready`, such as a `tower` limit or buffer: inside of a bulkhead, of
//! a retry, which by default does not repeat what is refused, and of a total timeout. The bulkhead and the rate limit of this module refuse by themselves:
//! they need no load shed.
//!
//! ```text
//! right:  load_shed(concurrency_limit(service))
//! wrong:  concurrency_limit(load_shed(service))    callers wait outside of it, where nothing sheds
//! wrong:  load_shed(timeout(total, service))       that is ready at once, and its calls wait inside, where nothing sheds
//! wrong:  load_shed(bulkhead(limit(service)))      who has waited for a slot waits once more, and with it
//! ```

mod config;
mod error;
mod exempt;
mod future;
mod handle;
mod layer;
mod service;
mod shared;
#[cfg(test)]
mod tests;

pub use self::{
    config::LoadShedConfig,
    error::Error,
    exempt::{Exempt, Nothing},
    future::ResponseFuture,
    handle::{LoadShedHandle, LoadShedStatus},
    layer::{Extra, LoadShedBuilder, LoadShedLayer},
    service::LoadShed,
};
