//! Tasks that end with their owner.

use std::{
    ops::{AddAssign, Deref},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, Id},
    time::{Instant, timeout, timeout_at},
};

/// How long an aborted task may take to get its last turn, on a runtime that is busy. One that never
/// yields is not waited for.
pub(crate) const LAST_TURN: Duration = Duration::from_millis(100);

/// A task that ends with its owner.
#[derive(Debug)]
pub(crate) struct Task(TaskRef);

/// A task seen by one who does not own it.
#[derive(Clone, Debug)]
pub(crate) struct TaskRef {
    id: Id,
    abort: AbortHandle,
    done: watch::Receiver<()>,
}

impl Task {
    pub(crate) fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (finished, done) = watch::channel(());
        let handle = runtime.spawn(async move {
            let _finished = finished;
            work.await;
        });
        Self(TaskRef {
            id: handle.id(),
            abort: handle.abort_handle(),
            done,
        })
    }
}

impl Deref for Task {
    type Target = TaskRef;
    fn deref(&self) -> &TaskRef {
        &self.0
    }
}

impl TaskRef {
    /// Ends it at its next await.
    pub(crate) fn abort(&self) {
        self.abort.abort();
    }

    /// Whether the caller runs inside of it: then it cannot be waited for.
    pub(crate) fn is_here(&self) -> bool {
        tokio::task::try_id() == Some(self.id)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.abort.is_finished()
    }

    /// Waits for its end; at the deadline it is aborted. True if it ended by itself.
    pub(crate) async fn end_by(&self, deadline: Instant) -> bool {
        let mut done = self.done.clone();
        let in_time = timeout_at(deadline, done.changed()).await.is_ok();
        if !in_time {
            self.abort.abort();
            // What it held answers only when it is dropped, on the task's next turn.
            let _ = timeout(LAST_TURN, done.changed()).await;
        }
        in_time
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The running handlers of one bus. Dropped, it ends them.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<Vec<Arc<Task>>>);

/// How handlers ended at a shutdown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    pub(crate) finished: u64,
    pub(crate) aborted: u64,
}

impl AddAssign for Ended {
    fn add_assign(&mut self, other: Self) {
        self.finished += other.finished;
        self.aborted += other.aborted;
    }
}

impl Tasks {
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> TaskRef {
        let task = Arc::new(Task::spawn(&Handle::current(), work));
        let seen = TaskRef::clone(&task);
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget those that ended, or the set would grow with every handler ever made.
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        seen
    }

    /// Waits for them to finish what they have; at the deadline the rest are aborted. The one that calls it, if one
    /// does, is not waited for.
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
