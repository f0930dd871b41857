use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::{Error, Lane};
use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    LocalOnly, Pending, Remote, Reply, Stack,
    outbound::{Item, Outgoing, Pump},
    task::Task,
};
use crate::{event::AnyEnvelope, observe::Ledger};

/// One queue, and the pump that empties it.
pub(super) struct Outlet {
    queue: mpsc::Sender<Item>,
    in_flight: Arc<AtomicUsize>,
    pump: Task,
}

impl Outlet {
    pub(super) fn open(
        runtime: &Handle,
        lane: Lane,
        stack: Stack,
        queue: usize,
        window: usize,
        deadline: Duration,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(queue);
        let in_flight = Arc::new(AtomicUsize::new(0));
        let pump = Pump {
            lane,
            queue: receiver,
            stack,
            window,
            deadline,
            in_flight: Arc::clone(&in_flight),
        };
        Self {
            queue: sender,
            in_flight,
            pump: Task::spawn(runtime, pump.run()),
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
