use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::Error;
use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    LocalOnly, Pending, Remote, Reply,
    outbound::{Item, Outgoing, Pump},
};
use crate::{event::AnyEnvelope, observe::Ledger, task::Task};

/// One queue, and the pump that empties it.
pub(super) struct Outlet {
    queue: mpsc::Sender<Item>,
    timeout: Duration,
    in_flight: Arc<AtomicUsize>,
    pump: Task,
}

impl Outlet {
    pub(super) fn open(runtime: &Handle, pump: Pump, capacity: usize) -> Self {
        let (queue, receiver) = mpsc::channel(capacity);
        Self {
            queue,
            timeout: pump.timeout,
            in_flight: Arc::clone(&pump.in_flight),
            pump: Task::spawn(runtime, pump.run(receiver)),
        }
    }

    pub(super) fn push(
        &self,
        envelope: AnyEnvelope,
        encode: fn(&AnyEnvelope) -> Result<Bytes, Error>,
        ledger: &Arc<Ledger>,
    ) -> Pending {
        let (reply, pending) = Reply::new(Arc::clone(ledger));
        let outgoing = Outgoing {
            envelope,
            encode,
            reply,
            due: Instant::now() + self.timeout,
        };
        match self.queue.try_send(Item::Send(outgoing)) {
            Ok(()) => pending,
            Err(refused) => {
                let why = match refused {
                    mpsc::error::TrySendError::Full(_) => LocalOnly::QueueFull,
                    mpsc::error::TrySendError::Closed(_) => LocalOnly::ShutDown,
                };
                if let Item::Send(outgoing) = refused.into_inner() {
                    outgoing.reply.send(Remote::LocalOnly(why));
                }
                pending
            }
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.pump.is_finished()
    }

    /// How many are queued, and how many in flight.
    pub(super) fn load(&self) -> (usize, usize) {
        (
            self.queue.max_capacity() - self.queue.capacity(),
            self.in_flight.load(Ordering::Relaxed),
        )
    }

    /// Sends what is queued and waits for the outcomes, by the deadline.
    pub(super) async fn drain(&self, deadline: Instant) {
        // A full queue makes room as the pump works, or the deadline ends the wait.
        let _ = timeout_at(deadline, self.queue.send(Item::Drain)).await;
        self.pump.end_by(deadline).await;
    }
}
