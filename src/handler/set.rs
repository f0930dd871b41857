use std::sync::{Arc, Mutex, PoisonError};

use tokio::{runtime::Handle, task::AbortHandle, time::Instant};

use crate::task::Task;

/// The running handlers of one bus. Dropped, it ends them.
#[derive(Debug, Default)]
pub(crate) struct HandlerSet(Mutex<Vec<Arc<Task>>>);

/// How the handlers ended at a shutdown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    pub(crate) finished: u64,
    pub(crate) aborted: u64,
}

impl HandlerSet {
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let task = Arc::new(Task::spawn(&Handle::current(), work));
        let abort = task.abort_handle();
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget those that ended, or the set would grow with every handler ever made.
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        abort
    }

    /// Waits for the handlers to finish what they have; at the deadline the rest are aborted. The
    /// one that calls it, if one does, is not waited for.
    pub(crate) async fn end_by(&self, deadline: Instant) -> Ended {
        let tasks = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut ended = Ended::default();
        for task in tasks.iter().filter(|task| !task.is_here()) {
            if task.end_by(deadline).await {
                ended.finished += 1;
            } else {
                ended.aborted += 1;
            }
        }
        ended
    }
}
