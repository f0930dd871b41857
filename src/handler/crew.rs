use std::sync::{Mutex, PoisonError};

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout_at},
};

/// The running handlers of one bus. Dropped, it ends them.
#[derive(Debug, Default)]
pub(crate) struct Crew(Mutex<JoinSet<()>>);

/// How the handlers ended at a shutdown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dismissed {
    pub(crate) finished: u64,
    pub(crate) aborted: u64,
}

impl Crew {
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn hire(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut crew = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget those who left, or the set would grow with every handler ever made.
        while crew.try_join_next().is_some() {}
        crew.spawn(work)
    }

    /// Waits for the handlers to finish what they have; at the deadline the rest are aborted.
    pub(crate) async fn dismiss(&self, deadline: Instant) -> Dismissed {
        let mut crew = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut dismissed = Dismissed::default();
        while let Ok(Some(ended)) = timeout_at(deadline, crew.join_next()).await {
            // One whose guard was dropped was cancelled by its owner, not by us.
            dismissed.finished += u64::from(ended.is_ok());
        }
        dismissed.aborted = crew.len() as u64;
        crew.shutdown().await;
        dismissed
    }
}
