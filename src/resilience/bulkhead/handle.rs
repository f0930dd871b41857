use std::{fmt, sync::Arc};

use super::{
    BulkheadConfig, Checkout, Error, Scope, Slot,
    shared::{Local, Shared},
};
use crate::resilience::{ConfigError, Name, Rejection};

/// Sees and controls a bulkhead from outside, and gives slots to what is no service; outlives the
/// services. Cheap to clone.
#[derive(Clone)]
pub struct BulkheadHandle {
    local: Arc<Local>,
}

/// How a bulkhead is, at one moment.
///
/// One that is always full has `running` at its most all the time: look how long calls run, for slots that are held
/// and forgotten, and whether it is too small. With `waiting` at 0 and `timed_out` growing, what waits waits
/// too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadStatus {
    /// Slots that are free, without the overflow.
    pub available: u64,
    /// Calls that have a slot.
    pub running: u64,
    /// Those of them that use the overflow.
    pub overflow: u64,
    /// Calls that wait for a slot.
    pub waiting: u64,
    /// Calls that had a slot since it was made.
    pub admitted: u64,
    /// Calls that found neither a slot nor a place to wait since it was made.
    pub rejected: u64,
    /// Calls that found no slot in time since it was made.
    pub timed_out: u64,
}

impl BulkheadHandle {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            local: Local::new(shared),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared().reporter.name
    }

    /// Its configuration, as it was last [resized](Self::resize).
    pub fn config(&self) -> BulkheadConfig {
        self.shared().config()
    }

    /// Its counts.
    pub fn status(&self) -> BulkheadStatus {
        let shared = self.shared();
        let size = u64::from(shared.config().size);
        let snapshot = shared.core.snapshot();
        BulkheadStatus {
            available: size.saturating_sub(snapshot.running),
            running: snapshot.running,
            overflow: snapshot.running.saturating_sub(size),
            waiting: snapshot.waiting,
            admitted: shared.admitted.sum(),
            rejected: shared.full.sum(),
            timed_out: shared.timed_out.sum(),
        }
    }

    /// Changes how many calls run at a time.
    ///
    /// With more, calls that wait are admitted at once. With fewer, what runs goes on; no call is admitted
    /// until so few run.
    pub fn resize(&self, size: u32, overflow: u32) -> Result<(), ConfigError> {
        self.shared().resize(size, overflow)
    }

    /// A slot, as soon as one is free.
    ///
    /// It is taken now, or a place in the queue is, or the [`Rejection`] is decided: before the future is
    /// polled. What does not get one in time is rejected for
    /// [`BulkheadTimeout`](crate::resilience::Reason::BulkheadTimeout), what finds the queue full for
    /// [`BulkheadFull`](crate::resilience::Reason::BulkheadFull).
    ///
    /// ```
    /// # use algedonic::resilience::bulkhead::{BulkheadConfig, BulkheadLayer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let workers = BulkheadLayer::named("worker_agent", BulkheadConfig::worker_agent())?.handle();
    /// let slot = workers.checkout().await?;
    /// // … work …
    /// slot.checkin();
    /// # assert_eq!(workers.status().running, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn checkout(&self) -> Checkout {
        Checkout::new(self.local.enter())
    }

    /// A slot, if one is free now.
    pub fn try_checkout(&self) -> Result<Slot, Rejection> {
        self.local.try_enter().map(Slot::new)
    }

    /// Runs what is not a service with a slot: `call` is called when there is one. It is free again when the future
    /// has ended, whether well or not, has panicked, or is dropped.
    ///
    /// ```
    /// # use algedonic::resilience::bulkhead::{BulkheadConfig, BulkheadLayer, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let files = BulkheadLayer::named("files", BulkheadConfig::default())?.handle();
    /// match files.call(|| tokio::fs::read("/etc/hostname")).await {
    ///     Ok(name) => println!("{} bytes", name.len()),
    ///     Err(Error::Full(_)) => println!("overloaded"),
    ///     Err(Error::Timeout(rejection)) => println!("{rejection}"),
    ///     Err(Error::Inner(error)) => println!("the file system: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<C, F, T, E>(&self, call: C) -> Scope<C, F>
    where
        C: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
    {
        Scope::new(self.local.enter(), call)
    }

    /// The same for what does not await. It does not wait either: without a slot free it is rejected.
    pub fn call_blocking<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, Error<E>> {
        let _slot = self.try_checkout().map_err(Error::rejected)?;
        call().map_err(Error::Inner)
    }

    #[cfg(test)]
    pub(super) const fn local(&self) -> &Arc<Local> {
        &self.local
    }

    fn shared(&self) -> &Shared {
        &self.local.shared
    }
}

impl fmt::Debug for BulkheadHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
