//! A retry: calls again what failed in a way that may pass, a little later each time, and not for ever.
//!
//! | the outcome of an attempt | what becomes of the call |
//! |---|---|
//! | is final: a response, an error that stays, what another layer refused | it ends with it |
//! | may pass | another attempt, after a delay that grows, and is random |
//! | may pass, but not before some time | that time, then the delay |
//! | may pass, but [something](GaveUp) is used up: attempts, the budget, the time | it ends with it |
//!
//! Which it is says the [`Classify`](crate::resilience::Classify) of the error, or a [`Classifier`]. A call always ends
//! with the outcome of its last attempt, unchanged: the error type is that of the service inside.
//!
//! What distinguishes it:
//!
//! - **What a layer inside refused is not tried again**, unless asked: an open breaker is not hammered at, and a
//!   full bulkhead has enough to do.
//! - **All calls together have a budget.** A dependency that is down is asked a fifth more often than one that is up,
//!   not four times as much; see [`BudgetConfig`].
//! - **Delays differ** between requests, keep their bounds after any number of attempts, and do not heap up at the
//!   longest.
//! - **It does not wait in vain.** Where the next attempt would come too late, by `max_elapsed` or by the end of a
//!   [timeout](crate::resilience::timeout) around it, the call ends at once, with an error that says more than that
//!   time is up.
//! - **Each attempt calls what is ready**: a clone of the service that was asked after the delay. While it waits
//!   it holds nothing of the service inside.
//! - **It is cheap.** A call whose first attempt is final clones the request and no service; it reads no clock (with
//!   `max_elapsed`, only if it has to wait), and allocates nothing. A clone of a service allocates.
//!
//! What it repeats has to bear it: an attempt that failed may have done all that was asked.
//!
//! # Order
//!
//! Outside of everything that looks at one attempt, inside of what looks at the whole:
//!
//! ```text
//! right:  timeout(total, retry(breaker(bulkhead(timeout(attempt, service)))))
//! wrong:  breaker(retry(service))                a failure counts only when all attempts have failed
//! wrong:  retry(… retry(service))                four attempts of four each are sixteen
//! ```

mod budget;
mod classifier;
mod config;
pub(super) mod core;
mod future;
mod gave_up;
mod handle;
mod jitter;
mod layer;
mod service;
mod shared;
#[cfg(test)]
mod tests;

/// For a retry that is no layer of its own: delays, budget and counts.
pub(crate) use self::shared::{Attempts, Shared};
pub use self::{
    budget::{Budget, BudgetConfig},
    classifier::{ByVerdict, Classifier, Decision, EveryError, RejectionsToo},
    config::RetryConfig,
    future::ResponseFuture,
    gave_up::GaveUp,
    handle::{RetryHandle, RetryStatus},
    jitter::Jitter,
    layer::{RetryBuilder, RetryLayer},
    service::Retry,
};
