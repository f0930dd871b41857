//! A rate limit: so many calls in a time, evenly, and some more at once after a pause.
//!
//! | a call finds | it |
//! |---|---|
//! | that it is allowed | is called at once |
//! | that it will be within `max_wait` | has its time now, and waits for it in its future |
//! | neither | is refused at once: [`Error::Limited`], with the time after which it would not be |
//!
//! In any time `t`, wherever it begins, at most `burst + t * limit / period` calls (rounded down) have their times, all
//! services of one layer together: this is the generic cell rate algorithm. A fixed window, as that of
//! `tower::limit::RateLimit`, lets twice its limit through around the end of a window.
//!
//! What distinguishes it:
//!
//! - **Who waits knows until when**: each call has a time of its own, in the order in which they came. Nobody is woken
//!   to look whether it is his turn; tokio's timers end at most a millisecond after the time. A refusal says
//!   exactly when a call is admitted again.
//! - **Who waits holds nothing of the service inside**; it is asked for readiness when the time has come.
//! - **Who leaves gives his time back**, if nobody has a later one; else it is wasted, and never given twice.
//! - **It is cheap.** A call reads the clock once, and twice where there is no room or no burst (`burst: 1`); one
//!   word decides. It allocates nothing, whether it is admitted or refused.
//!
//! For what is no [`tower::Service`] there are [`acquire`](RateLimitHandle::acquire) and
//! [`try_acquire`](RateLimitHandle::try_acquire).
//!
//! # Order
//!
//! Inside of a breaker and a retry, each attempt counts; outside of a bulkhead, no slot is held while a call waits:
//!
//! ```text
//! right:  retry(breaker(rate_limit(bulkhead(timeout(service)))))
//! wrong:  bulkhead(rate_limit(service))      those who wait for their time hold the slots
//! ```

mod acquire;
mod config;
pub(super) mod core;
mod error;
mod future;
mod handle;
mod layer;
mod service;
mod shared;
#[cfg(test)]
mod tests;
mod wait;

pub use self::{
    acquire::Acquire,
    config::RateLimitConfig,
    error::Error,
    future::ResponseFuture,
    handle::{RateLimitHandle, RateLimitStatus},
    layer::{RateLimitBuilder, RateLimitLayer},
    service::RateLimit,
};
