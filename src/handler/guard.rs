use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::account::Account;
use crate::task::TaskRef;

/// A running handler. Dropped, it unsubscribes at once, and what it has is abandoned, counted in
/// [`Counts::abandoned`](crate::Counts::abandoned): what is in hand, and, unless others of its group
/// go on, what is buffered. [`drain`](Self::drain) finishes that first; [`detach`](Self::detach)
/// leaves the handler running until the bus ends.
#[must_use = "dropped, it ends the handler; `detach` it to let it run as long as the bus"]
pub struct Handler {
    task: TaskRef,
    /// None once it is detached.
    drain: Option<oneshot::Sender<()>>,
    account: Arc<Account>,
    /// Leaves the group to the others, if there are any.
    leave: Box<dyn Fn() + Send + Sync>,
}

/// How a handler ended; from [`Handler::drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Events it finished meanwhile: handled, made dead letters, or found too late.
    pub finished: u64,
    /// Events it gave up: it was cut off.
    pub abandoned: u64,
}

impl Handler {
    /// Lets the handler run until the bus is shut down or dropped.
    pub fn detach(mut self) {
        self.drain = None;
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Takes no new events from the bus, finishes those that are in hand, buffered, parked behind
    /// their keys, or waiting for a retry, and ends. In a group that has other handlers only what
    /// is in hand is finished: the others go on with the rest. The last one ends the group.
    ///
    /// It waits as long as the handler takes, delays of retries included;
    /// [`drain_within`](Self::drain_within) sets a deadline. Called inside the handler itself it
    /// returns at once, with nothing finished, and the handler drains afterwards.
    ///
    /// # Cancellation
    ///
    /// Dropped early, it is as if the guard were dropped: the handler ends at once.
    pub async fn drain(self) -> Drained {
        // A year is as good as for ever, and can be added to the clock.
        self.drain_within(Duration::from_secs(365 * 24 * 3600))
            .await
    }

    /// As [`drain`](Self::drain); after `deadline` from now the rest is abandoned.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled.
    pub async fn drain_within(mut self, deadline: Duration) -> Drained {
        let deadline = deadline.min(Duration::from_secs(365 * 24 * 3600));
        let (finished, abandoned) = self.totals();
        // The guard keeps its half: dropped with this future, it still ends the handler.
        let (stop, _) = oneshot::channel();
        if let Some(drain) = self.drain.replace(stop) {
            // If it cannot be told, it has ended.
            let _ = drain.send(());
        }
        if self.task.is_here() {
            self.detach();
            return Drained::default();
        }
        self.task.end_by(Instant::now() + deadline).await;
        let (finished_now, abandoned_now) = self.totals();
        Drained {
            finished: finished_now - finished,
            abandoned: abandoned_now - abandoned,
        }
    }

    fn totals(&self) -> (u64, u64) {
        let account = &self.account;
        (account.total_finished(), account.total_abandoned())
    }

    pub(super) fn new(
        task: TaskRef,
        drain: oneshot::Sender<()>,
        account: Arc<Account>,
        leave: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            task,
            drain: Some(drain),
            account,
            leave: Box::new(leave),
        }
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        if self.drain.is_some() {
            (self.leave)();
            self.task.abort();
        }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
