use std::{error::Error, fmt, time::Duration};

use super::{Class, Classify, Kind, Name, clock::nanos};

/// A call that a layer refused: which one, why, and when to come back. The service inside was not called.
///
/// It is the same type in the errors of every layer, so that it is found by one downcast in a boxed error.
// In nanoseconds, since it is a part of every error of every layer, and so of what a call moves: 32 bytes instead of 40.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    name: Name,
    reason: Reason,
    /// In nanoseconds, or [`UNKNOWN`].
    retry_after: u64,
}

const UNKNOWN: u64 = u64::MAX;

/// Why a layer refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// As wide as what it lies beside: in the 7 bytes that would be left the compiler sees something to copy, by loads that wait
// for the stores before them.
#[repr(u64)]
pub enum Reason {
    /// A breaker is open, or half-open with all of its probes under way, or comes back slowly.
    BreakerOpen,
    /// A bulkhead has no slot free, and no place left to wait for one.
    BulkheadFull,
    /// A bulkhead had no slot free for as long as a call waits for one.
    BulkheadTimeout,
    /// A rate limit had too many calls.
    RateLimited,
    /// A load shed found that the service inside was not ready.
    Shed,
}

impl Rejection {
    pub(crate) fn new(name: Name, reason: Reason, retry_after: Option<Duration>) -> Self {
        let retry_after = retry_after.map_or(UNKNOWN, nanos);
        Self {
            name,
            reason,
            retry_after,
        }
    }

    /// The component that refused.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Why.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// How long to wait at least before a call can be admitted; none where nobody knows.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.retry_after {
            UNKNOWN => None,
            nanos => Some(Duration::from_nanos(nanos)),
        }
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("name", &self.name)
            .field("reason", &self.reason)
            .field("retry_after", &self.retry_after())
            .finish()
    }
}

impl Classify for Rejection {
    fn class(&self) -> Class {
        let class = Class::of(Kind::LocalRejection);
        match self.retry_after() {
            Some(least) => class.with_retry_after(least),
            None => class,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)?;
        match self.retry_after() {
            Some(least) => write!(f, ", try again in {:.3} s", least.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl Error for Rejection {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BreakerOpen => "the circuit breaker lets no call through",
            Self::BulkheadFull => "the bulkhead and its queue are full",
            Self::BulkheadTimeout => "no slot of the bulkhead became free in time",
            Self::RateLimited => "there were too many calls",
            Self::Shed => "the service was not ready",
        })
    }
}
