use std::{fmt, sync::Arc};

use super::{
    ResponseFuture, TimeoutConfig,
    shared::{Local, Shared},
};
use crate::resilience::Name;

/// Sees a timeout from outside, and puts it around what is no service; outlives the services. Cheap to clone.
#[derive(Clone)]
pub struct TimeoutHandle {
    local: Arc<Local>,
}

/// How a timeout is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutStatus {
    /// Calls that took too long since it was made.
    pub timed_out: u64,
}

impl TimeoutHandle {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            local: Local::new(shared),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.local.shared.reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &TimeoutConfig {
        &self.local.shared.config
    }

    /// Its counts.
    pub fn status(&self) -> TimeoutStatus {
        TimeoutStatus {
            timed_out: self.local.shared.elapsed.sum(),
        }
    }

    /// Puts it around what is not a service.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use algedonic::resilience::timeout::{Error, TimeoutConfig, TimeoutLayer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = TimeoutConfig::total(Duration::from_secs(1));
    /// let files = TimeoutLayer::named("files", config)?.handle();
    /// match files.call(|| tokio::fs::read("/etc/hostname")).await {
    ///     Ok(name) => println!("{} bytes", name.len()),
    ///     Err(Error::Elapsed(elapsed)) => println!("{elapsed}"),
    ///     Err(Error::Inner(error)) => println!("the file system: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, T, E>(&self, call: impl FnOnce() -> F) -> ResponseFuture<F>
    where
        F: Future<Output = Result<T, E>>,
    {
        let limit = self.local.shared.limit;
        ResponseFuture::new(call(), limit, Arc::clone(&self.local))
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
