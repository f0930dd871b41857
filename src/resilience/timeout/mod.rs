//! A timeout: no call takes longer than it may.
//!
//! | it [covers](Covers) | its time runs | and in the meantime |
//! |---|---|---|
//! | an attempt | for each call anew; not while the service inside becomes ready | readiness is that of the service inside |
//! | all of it, in total | for the call, and for what it waits until the service inside is ready | it is ready at once |
//!
//! A call that has not ended by then is dropped, and after that its caller gets [`Error::Elapsed`], which says what was
//! limited, and to how long. What the dependency does about it is another matter: it may have done all that was asked.
//! An answer that comes at the last moment is taken.
//!
//! What distinguishes it:
//!
//! - **A call that is answered at once makes no timer**, reads no clock and allocates nothing. The time begins
//!   when the call first has to wait.
//! - **A total timeout has no hole in it**: it runs while a limit, a bulkhead or a buffer inside makes the call wait
//!   before it has begun.
//! - **What is inside can know the end**, by [`deadline`](crate::resilience::deadline()). A
//!   [retry](crate::resilience::retry) inside of a total timeout does not begin to wait for an attempt that would
//!   come too late: it says at once what the last one said, which tells more than that time is up.
//! - **What never yields is ended too**: the timer is asked even where the call has used up the turn of its task
//!   (see `tokio::task::coop`).
//!
//! # Order
//!
//! One around each attempt, inside of the breaker that counts it; and one around everything:
//!
//! ```text
//! right:  timeout(total, retry(breaker(bulkhead(timeout(attempt, service)))))
//! wrong:  timeout(attempt, retry(service))       all attempts together have the time of one
//! ```

mod call;
mod config;
mod error;
mod future;
mod handle;
mod layer;
mod limit;
mod service;
mod shared;
#[cfg(test)]
mod tests;

pub use self::{
    call::Call,
    config::{Covers, TimeoutConfig},
    error::{Elapsed, Error},
    future::ResponseFuture,
    handle::{TimeoutHandle, TimeoutStatus},
    layer::{Extra, TimeoutBuilder, TimeoutLayer},
    limit::{AsConfigured, Limit},
    service::Timeout,
};
