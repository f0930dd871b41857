use std::time::Duration;

use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout, timeout_at},
};

/// How long an aborted task may take to get its last turn, on a runtime that is busy.
const LAST_TURN: Duration = Duration::from_millis(100);

/// A task that ends with its owner.
pub(super) struct Task {
    abort: AbortHandle,
    done: watch::Receiver<()>,
}

impl Task {
    pub(super) fn spawn(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (finished, done) = watch::channel(());
        let handle: JoinHandle<()> = runtime.spawn(async move {
            let _finished = finished;
            work.await;
        });
        Self {
            abort: handle.abort_handle(),
            done,
        }
    }

    /// Waits for its end; at the deadline it is aborted.
    pub(super) async fn end_by(&self, deadline: Instant) {
        let mut done = self.done.clone();
        if timeout_at(deadline, done.changed()).await.is_err() {
            self.abort.abort();
            // What it held answers only when it is dropped, on the task's next turn.
            let _ = timeout(LAST_TURN, done.changed()).await;
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
