use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Mirrored, Pending, Reply,
    feed::later,
    intake::{Intake, Raised},
    outbound::Pump,
};
use crate::{
    event::Envelope,
    observe::{Ledger, LocalOnly, Remote},
    signal::Signal,
    task::Task,
};

/// A pump at work.
pub(super) struct Outlet {
    pump: Task,
    in_flight: Arc<AtomicUsize>,
}

impl Outlet {
    pub(super) fn open(runtime: &Handle, pump: Pump, intake: impl Intake + 'static) -> Self {
        Self {
            in_flight: Arc::clone(&pump.in_flight),
            pump: Task::spawn(runtime, pump.run(intake)),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.pump.is_finished()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits until all is sent and every outcome known, by the deadline. Nothing comes any more.
    pub(super) async fn drain(&self, deadline: Instant) {
        self.pump.end_by(deadline).await;
    }
}

/// The outlet of signals, and the queue in which they wait for it.
pub(super) struct SignalOutlet {
    queue: mpsc::Sender<Raised>,
    timeout: Duration,
    pub(super) outlet: Outlet,
}

impl SignalOutlet {
    pub(super) fn open(runtime: &Handle, pump: Pump, capacity: usize, timeout: Duration) -> Self {
        let (queue, receiver) = mpsc::channel(capacity);
        Self {
            queue,
            timeout,
            outlet: Outlet::open(runtime, pump, receiver),
        }
    }

    pub(super) fn push(&self, envelope: Envelope<Signal>, ledger: &Arc<Ledger>) -> Pending {
        let (reply, pending) = Reply::new(ledger);
        let raised = Raised::Signal {
            envelope,
            reply,
            due: later(Instant::now(), self.timeout),
        };
        if let Err(refused) = self.queue.try_send(raised) {
            let why = match &refused {
                mpsc::error::TrySendError::Full(_) => LocalOnly::QueueFull,
                mpsc::error::TrySendError::Closed(_) => LocalOnly::ShutDown,
            };
            if let Raised::Signal { reply, .. } = refused.into_inner() {
                reply.send(Remote::LocalOnly(why));
            }
        }
        pending
    }

    /// As [`push`](Self::push), but it waits for room, and for the outcome.
    pub(super) fn secure(
        &self,
        envelope: Envelope<Signal>,
        ledger: &Arc<Ledger>,
    ) -> impl Future<Output = Remote> + use<> {
        let (reply, pending) = Reply::new(ledger);
        let due = later(Instant::now(), self.timeout);
        let raised = Raised::Signal {
            envelope,
            reply,
            due,
        };
        // Its place in the order, if there is one.
        let refused = self.queue.try_send(raised).err();
        let queue = self.queue.clone();
        async move {
            if let Some(refused) = refused {
                // One that is refused here answers that the bus was shut down.
                let _ = queue.send(refused.into_inner()).await;
            }
            Mirrored::new(pending).await
        }
    }

    /// Sends what is queued and waits for the outcomes, by the deadline.
    pub(super) async fn drain(&self, deadline: Instant) {
        // A full queue makes room as the pump works, or the deadline ends the wait.
        let _ = timeout_at(deadline, self.queue.send(Raised::Drain)).await;
        self.outlet.drain(deadline).await;
    }
}
