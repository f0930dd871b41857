use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::{Error, ErrorKind, EventId, Lane, Message};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use tower::{Layer, Service, ServiceExt};

use super::{
    LocalOnly, Remote, Reply, Stack,
    fallback::{Fallback, FallbackLayer},
    service::InDoubt,
};
use crate::event::{AnyEnvelope, codec};

/// What waits to be sent.
pub(super) enum Item {
    Send(Outgoing),
    /// Nothing comes after this.
    Drain,
}

/// One event or signal on its way out.
pub(super) struct Outgoing {
    pub(super) envelope: AnyEnvelope,
    pub(super) encode: fn(&AnyEnvelope) -> Result<Bytes, Error>,
    pub(super) reply: Reply,
    /// By then its outcome is said.
    pub(super) due: Instant,
}

/// Sends what comes out of one queue, in order, with up to `window` awaiting their outcome.
pub(super) struct Pump {
    lane: Lane,
    service: Fallback<Stack>,
    window: Window,
    pub(super) timeout: Duration,
    in_doubt: Arc<InDoubt>,
    pub(super) in_flight: Arc<AtomicUsize>,
}

/// What may await its outcome at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Pump {
    pub(super) fn new(
        lane: Lane,
        stack: Stack,
        window: Window,
        timeout: Duration,
        in_doubt: Arc<InDoubt>,
    ) -> Self {
        Self {
            lane,
            service: FallbackLayer.layer(stack),
            window,
            timeout,
            in_doubt,
            in_flight: Arc::default(),
        }
    }

    /// Runs until the queue is drained. Aborted earlier, every reply still resolves.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Item>) {
        let mut outcomes = FuturesUnordered::new();
        let mut bytes = 0_usize;
        loop {
            self.in_flight.store(outcomes.len(), Ordering::Relaxed);
            let item = tokio::select! {
                biased;
                Some(done) = outcomes.next(), if !outcomes.is_empty() => {
                    bytes -= done;
                    continue;
                }
                item = queue.recv(), if outcomes.len() < self.window.messages => item,
            };
            let Some(Item::Send(outgoing)) = item else {
                break;
            };
            let due = outgoing.due;
            let Some((message, mut reply)) = encode(outgoing, self.lane) else {
                continue;
            };
            let size = message.body.len();
            while bytes.saturating_add(size) > self.window.bytes
                && let Some(done) = outcomes.next().await
            {
                bytes -= done;
            }
            // Answers go on coming in while a layer makes us wait.
            let answers = async {
                while let Some(done) = outcomes.next().await {
                    bytes -= done;
                }
                std::future::pending::<()>().await;
            };
            let ready = tokio::select! {
                biased;
                ready = ready(&mut self.service, due) => ready,
                () = answers => false,
            };
            if !ready || Instant::now() >= due {
                let late = Error::transient(ErrorKind::TimedOut, "send")
                    .with_detail("its turn did not come by the mirror's timeout");
                reply.send(Remote::LocalOnly(LocalOnly::Away(late)));
                continue;
            }
            reply.hand_over();
            let id = message.metadata.id;
            // The place in the order is taken by the call.
            match catch_unwind(AssertUnwindSafe(|| self.service.call(message))) {
                Ok(outcome) => {
                    bytes += size;
                    let settled = settle(outcome, id, due, reply, Arc::clone(&self.in_doubt));
                    outcomes.push(settled.map(move |()| size));
                }
                Err(_) => reply.send(panicked()),
            }
        }
        while outcomes.next().await.is_some() {
            self.in_flight.store(outcomes.len(), Ordering::Relaxed);
        }
    }
}

/// Whether the stack takes a message before it is due.
async fn ready(service: &mut Fallback<Stack>, due: Instant) -> bool {
    // A panic is told by the call that follows.
    let ready = AssertUnwindSafe(service.ready()).catch_unwind();
    timeout_at(due, ready).await.is_ok()
}

/// Waits for the outcome of one message, and says it.
async fn settle(
    outcome: impl Future<Output = Result<Remote, Infallible>>,
    id: EventId,
    due: Instant,
    reply: Reply,
    in_doubt: Arc<InDoubt>,
) {
    let outcome = AssertUnwindSafe(outcome).catch_unwind();
    let remote = match timeout_at(due, outcome).await {
        Ok(Ok(Ok(remote))) => remote,
        Ok(Err(_)) => panicked(),
        Err(_) => Remote::unknown("no outcome within the mirror's timeout"),
    };
    reply.send(match remote {
        // The last attempt did not leave; an earlier one may have.
        Remote::LocalOnly(why) if in_doubt.contains(id) => {
            Remote::unknown(format!("an earlier attempt may have left; the last: {why}"))
        }
        remote => remote,
    });
}

fn panicked() -> Remote {
    Remote::unknown("a layer of the mirror panicked")
}

/// The message, unless its publisher was told that it cannot be one.
fn encode(outgoing: Outgoing, lane: Lane) -> Option<(Message, Reply)> {
    let Outgoing {
        envelope,
        encode,
        reply,
        ..
    } = outgoing;
    // A panicking `Serialize` costs its own event only.
    let body = catch_unwind(AssertUnwindSafe(|| encode(&envelope))).unwrap_or_else(|_| {
        Err(
            Error::permanent(ErrorKind::Malformed, "encode an event").with_detail(format!(
                "the Serialize of {} panicked",
                envelope.metadata().name
            )),
        )
    });
    match body {
        Ok(body) => {
            let metadata = envelope.metadata().clone();
            Some((
                Message::new(metadata, lane, codec::CONTENT_TYPE, body),
                reply,
            ))
        }
        Err(error) => {
            reply.send(Remote::LocalOnly(LocalOnly::Refused(error)));
            None
        }
    }
}
