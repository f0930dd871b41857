use std::sync::{Arc, Mutex, PoisonError};

use tokio::{runtime::Handle, time::Instant};

use super::{dead_letter::DeadLetters, groups::Groups};
use crate::{
    observe::Ledger,
    task::{Task, TaskRef},
};

/// The running handlers of one bus, and what they share. Dropped, it ends them.
#[derive(Debug)]
pub(crate) struct HandlerSet {
    tasks: Mutex<Vec<Arc<Task>>>,
    pub(super) groups: Arc<Groups>,
    dead_letters: DeadLetters,
}

/// How the handlers ended at a shutdown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ended {
    pub(crate) finished: u64,
    pub(crate) aborted: u64,
}

impl HandlerSet {
    pub(crate) fn new(dead_letter_capacity: usize, ledger: &Arc<Ledger>) -> Self {
        let groups = Arc::<Groups>::default();
        Self {
            tasks: Mutex::default(),
            groups: Arc::clone(&groups),
            dead_letters: DeadLetters::new(dead_letter_capacity, groups, Arc::clone(ledger)),
        }
    }

    pub(crate) fn dead_letters(&self) -> DeadLetters {
        self.dead_letters.clone()
    }

    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> TaskRef {
        let task = Arc::new(Task::spawn(&Handle::current(), work));
        let seen = TaskRef::clone(&task);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Forget those that ended, or the set would grow with every handler ever made.
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
        seen
    }

    /// Waits for the handlers to finish what they have; at the deadline the rest are aborted. The
    /// one that calls it, if one does, is not waited for.
    pub(crate) async fn end_by(&self, deadline: Instant) -> Ended {
        let tasks = self
            .tasks
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
