use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_transport::{Error, ErrorKind, Lane, Message};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{sync::mpsc, time::timeout};
use tower::{Service, ServiceBuilder, ServiceExt, timeout::TimeoutLayer};

use super::{LocalOnly, Remote, Reply, Stack, fallback::FallbackLayer};
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
}

/// Sends what comes out of one queue, in order, with up to `window` awaiting their outcome.
pub(super) struct Pump {
    pub(super) lane: Lane,
    pub(super) queue: mpsc::Receiver<Item>,
    pub(super) stack: Stack,
    pub(super) window: usize,
    pub(super) deadline: Duration,
    pub(super) in_flight: Arc<AtomicUsize>,
}

impl Pump {
    /// Runs until the queue is drained. Aborted earlier, every reply still resolves.
    pub(super) async fn run(self) {
        let Self {
            lane,
            mut queue,
            stack,
            window,
            deadline,
            in_flight,
        } = self;
        // The fallback is outermost: it must see the timeout's error.
        let mut service = ServiceBuilder::new()
            .layer(FallbackLayer)
            .layer(TimeoutLayer::new(deadline))
            .service(stack);
        let mut outcomes = FuturesUnordered::new();
        loop {
            in_flight.store(outcomes.len(), Ordering::Relaxed);
            let item = tokio::select! {
                biased;
                Some(()) = outcomes.next(), if !outcomes.is_empty() => continue,
                item = queue.recv(), if outcomes.len() < window => item,
            };
            let Some(Item::Send(outgoing)) = item else {
                break;
            };
            let Some((message, mut reply)) = encode(outgoing, lane) else {
                continue;
            };
            // Answers go on coming in while a layer makes us wait.
            let ready = timeout(deadline, service.ready());
            tokio::pin!(ready);
            let service = loop {
                tokio::select! {
                    biased;
                    ready = &mut ready => break ready.ok(),
                    Some(()) = outcomes.next(), if !outcomes.is_empty() => {}
                }
            };
            let Some(Ok(service)) = service else {
                reply.send(Remote::LocalOnly(LocalOnly::Away(
                    Error::transient(ErrorKind::TimedOut, "send")
                        .with_detail("a layer of the mirror was not ready by the deadline"),
                )));
                continue;
            };
            reply.hand_over();
            let outcome = service.call(message);
            outcomes.push(async move {
                let result: Result<Remote, Infallible> = outcome.await;
                let Ok(remote) = result;
                reply.send(remote);
            });
        }
        while outcomes.next().await.is_some() {
            in_flight.store(outcomes.len(), Ordering::Relaxed);
        }
    }
}

/// The message, unless its publisher was told that it cannot be one.
fn encode(outgoing: Outgoing, lane: Lane) -> Option<(Message, Reply)> {
    let Outgoing {
        envelope,
        encode,
        reply,
    } = outgoing;
    // A panicking `Serialize` costs its own event only.
    let body = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| encode(&envelope)))
        .unwrap_or_else(|_| {
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
