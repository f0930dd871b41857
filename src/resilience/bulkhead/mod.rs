//! A bulkhead: so many calls at a time, so that one dependency that is slow does not take all that the others need.
//!
//! | a call finds | it |
//! |---|---|
//! | a slot free | is called at once |
//! | no slot free, a place in the queue | waits in its future; who came first is served first |
//! | neither | is rejected at once: [`Error::Full`] |
//! | no slot within `max_wait` | is rejected then: [`Error::Timeout`] |
//!
//! Slots are `size`, and `overflow` more for when it is busy: they work alike, but their use is
//! [told](crate::resilience::What::Overflow), before calls are rejected. A call has its slot from `call` until its
//! response is ready or dropped, also when it panics. Without a queue (`queue: 0`) nothing waits.
//!
//! What distinguishes it:
//!
//! - **Who waits holds nothing of the service inside.** It is asked for readiness when the call has its slot.
//! - **A slot that becomes free is handed to who waits**; nobody who comes later overtakes, and one who leaves the
//!   queue at that very moment hands it on.
//! - **It is cheap.** With a slot free a call is two atomic steps; it allocates nothing. A call that waits
//!   allocates only while the queue is longer than it ever was. A clone of a service allocates.
//! - **It can be resized** while calls run and wait.
//!
//! For what is no [`tower::Service`] there are [`checkout`](BulkheadHandle::checkout), which gives a slot to hold, and
//! [`call`](BulkheadHandle::call), which holds one while a future runs.
//!
//! # Order
//!
//! Outside of the timeout of an attempt, which then does not run while a call waits; inside of a breaker, whose
//! rejections then take no slot; and inside of a retry, which then does not hold a slot while it waits:
//!
//! ```text
//! right:  retry(breaker(bulkhead(timeout(service))))
//! wrong:  bulkhead(retry(service))       a slot is held through all attempts and the waits between them
//! ```
//!
//! `tower::limit::ConcurrencyLimit` is for another purpose: it makes its callers wait in `poll_ready`, without a
//! bound, and holds the place of who is ready and does not call.

mod config;
pub(super) mod core;
mod error;
mod future;
mod handle;
mod layer;
mod scope;
mod service;
mod shared;
mod slot;
#[cfg(test)]
mod tests;
mod wait;

pub use self::{
    config::BulkheadConfig,
    error::Error,
    future::ResponseFuture,
    handle::{BulkheadHandle, BulkheadStatus},
    layer::{BulkheadBuilder, BulkheadLayer},
    scope::Scope,
    service::Bulkhead,
    slot::{Checkout, Slot},
};
