use std::sync::Arc;

use tokio::time::Instant;

use super::{dead_letter::DeadLetters, groups::Groups};
use crate::{
    observe::Ledger,
    task::{Ended, TaskRef, Tasks},
};

/// The running handlers of one bus, and what they share. Dropped, it ends them.
#[derive(Debug)]
pub(crate) struct HandlerSet {
    tasks: Tasks,
    pub(super) groups: Arc<Groups>,
    dead_letters: DeadLetters,
}

impl HandlerSet {
    pub(crate) fn new(dead_letter_capacity: usize, ledger: &Arc<Ledger>) -> Self {
        let groups = Arc::<Groups>::default();
        Self {
            tasks: Tasks::default(),
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
        self.tasks.spawn(work)
    }

    /// As [`Tasks::end_by`].
    pub(crate) async fn end_by(&self, deadline: Instant) -> Ended {
        self.tasks.end_by(deadline).await
    }
}
