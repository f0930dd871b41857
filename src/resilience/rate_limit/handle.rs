use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use super::{Acquire, RateLimitConfig, shared::Shared};
use crate::resilience::{Name, Rejection};

/// Sees a rate limit from outside, and limits what is no service; outlives the services. Cheap to clone.
#[derive(Clone)]
pub struct RateLimitHandle {
    shared: Arc<Shared>,
}

/// How a rate limit is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitStatus {
    /// Calls that would be admitted now, at most the burst.
    pub available: u64,
    /// Calls that wait for their time.
    pub waiting: u64,
    /// Calls that were admitted since it was made; those that wait are not yet.
    pub admitted: u64,
    /// Calls that were refused since it was made.
    pub rejected: u64,
}

impl RateLimitHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared.reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &RateLimitConfig {
        &self.shared.config
    }

    /// Its counts.
    pub fn status(&self) -> RateLimitStatus {
        RateLimitStatus {
            available: self.shared.available(),
            waiting: self.shared.waiting.load(Ordering::Relaxed),
            admitted: self.shared.admitted.sum(),
            rejected: self.shared.limited.sum(),
        }
    }

    /// Allowed as soon as the limit does, within the time that a call waits at most. Its time is decided now, before
    /// the future is polled, and so is a [`Rejection`].
    ///
    /// ```
    /// # use algedonic::resilience::rate_limit::{RateLimitConfig, RateLimitLayer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limit = RateLimitLayer::named("llm_worker", RateLimitConfig::llm_worker())?.handle();
    /// limit.acquire().await?;
    /// // … ask the model …
    /// # assert_eq!(limit.status().admitted, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn acquire(&self) -> Acquire {
        Acquire::new(self.shared.enter(self.shared.now()))
    }

    /// Whether a call is allowed now; then it counts.
    pub fn try_acquire(&self) -> Result<(), Rejection> {
        self.shared.try_enter()
    }
}

impl fmt::Debug for RateLimitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
