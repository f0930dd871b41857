//! How do deliveries get from a consumer to the application, and their settlements back?

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use algedonic_transport::{Arrival, Message, Pattern, Settle, Settlement};
use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::attempts::Attempts;

/// What an application wants of one lane, and where it waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Interest {
    pub(crate) patterns: Arc<[Pattern]>,
    pub(crate) arrivals: mpsc::Sender<Arrived>,
    /// Kept from one connection to the next.
    pub(crate) attempts: Arc<Mutex<Attempts>>,
}

impl Interest {
    pub(crate) fn new(patterns: Vec<Pattern>, arrivals: mpsc::Sender<Arrived>) -> Self {
        Self {
            patterns: patterns.into(),
            arrivals,
            attempts: Arc::default(),
        }
    }
}

/// An arrival on its way to the application.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) arrival: Arrival,
    /// None for what needs no settlement any more.
    pub(crate) settler: Option<Arc<Settler>>,
}

/// Takes settlements for one generation: the deliveries of one channel. After its channel has gone
/// they lead nowhere, since an ack for a tag of another channel would close that one.
#[derive(Debug)]
pub(crate) struct Settler(mpsc::UnboundedSender<Settled>);

/// What the application made of a delivery.
#[derive(Debug)]
pub(crate) enum Settled {
    /// Never as a dead letter.
    Plainly(u64, Settlement),
    /// As a dead letter.
    Dead(u64, Box<Farewell>),
}

/// What the application gives back with a dead letter.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) reason: String,
    pub(crate) body: Bytes,
}

impl Settler {
    /// A new generation. The channel has no bound of its own, so that settling never blocks; it
    /// holds at most one entry for each delivery, and the prefetch bounds these.
    pub(crate) fn new() -> (Arc<Self>, mpsc::UnboundedReceiver<Settled>) {
        let (settlements, settled) = mpsc::unbounded_channel();
        (Arc::new(Self(settlements)), settled)
    }

    fn is_stale(&self) -> bool {
        self.0.is_closed()
    }
}

impl Settle for Settler {
    fn settle(&self, tag: u64, settlement: Settlement) {
        // The generation may be over: then the broker delivers it again by itself.
        let _ = self.0.send(Settled::Plainly(tag, settlement));
    }

    fn dead_letter(&self, tag: u64, reason: &str, message: &Message) {
        let farewell = Farewell {
            reason: reason.to_owned(),
            body: message.body.clone(),
        };
        let _ = self.0.send(Settled::Dead(tag, Box::new(farewell)));
    }
}

/// The arrivals of one lane.
#[derive(Debug)]
pub(crate) struct Arrivals(pub(crate) mpsc::Receiver<Arrived>);

impl Stream for Arrivals {
    type Item = Arrival;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arrival>> {
        loop {
            match self.0.poll_recv(context) {
                // Delivered on a channel that is gone: the broker delivers it again.
                Poll::Ready(Some(Arrived {
                    settler: Some(settler),
                    ..
                })) if settler.is_stale() => {}
                Poll::Ready(arrived) => return Poll::Ready(arrived.map(|arrived| arrived.arrival)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}
