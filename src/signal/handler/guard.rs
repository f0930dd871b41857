use std::fmt;

use crate::task::TaskRef;

/// A running handler of signals. Dropped, it unsubscribes at once, and what it has is abandoned, counted in
/// [`Counts::signals_abandoned`](crate::Counts::signals_abandoned); [`detach`](Self::detach) leaves it running until the bus
/// ends.
#[must_use = "dropped, it ends the handler; `detach` it to let it run as long as the bus"]
pub struct SignalHandler {
    task: TaskRef,
    is_detached: bool,
}

impl SignalHandler {
    pub(super) const fn new(task: TaskRef) -> Self {
        Self {
            task,
            is_detached: false,
        }
    }

    /// Lets the handler run until the bus is shut down or dropped.
    pub fn detach(mut self) {
        self.is_detached = true;
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for SignalHandler {
    fn drop(&mut self) {
        if !self.is_detached {
            self.task.abort();
        }
    }
}

impl fmt::Debug for SignalHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalHandler")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
