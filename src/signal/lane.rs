use std::sync::Arc;

use algedonic_transport::{BusId, Key, Metadata, Pattern};
use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::{
    Level, Reached, Receiver, Signal, SignalSubscription,
    channel::{Channel, both},
    subscriber::CAPACITY,
};
use crate::{
    event::{AnyEnvelope, Envelope, Origin, Sealed},
    observe::Ledger,
};

/// The ways of signals in this process, which no event takes: one to subscribers of signals, one to
/// subscribers of patterns.
#[derive(Debug)]
pub(crate) struct Signals {
    subscribers: Arc<Channel<Envelope<Signal>>>,
    patterns: Arc<Channel<AnyEnvelope>>,
    origin: Arc<Origin>,
    /// How many may wait in the background for subscribers that are full.
    background: Arc<Semaphore>,
}

impl Signals {
    pub(crate) fn new(source: Arc<str>, bus: BusId, ledger: &Arc<Ledger>) -> Self {
        Self {
            subscribers: Channel::new(ledger),
            patterns: Channel::new(ledger),
            origin: Arc::new(Origin {
                name: const { Key::from_static(Signal::NAME) },
                version: 1,
                source,
                bus,
            }),
            background: Arc::new(Semaphore::new(CAPACITY)),
        }
    }

    pub(crate) fn seal(&self, metadata: Metadata, signal: Signal) -> Envelope<Signal> {
        Envelope::new(Arc::clone(&self.origin), Sealed::with(metadata, signal))
    }

    /// Reaches first all that have room; then it waits for subscribers of signals that are full.
    pub(crate) async fn deliver(&self, signal: Envelope<Signal>) -> Reached {
        let to_subscribers = self.subscribers.offer(&signal);
        let to_patterns = (!self.patterns.is_empty()).then(|| self.patterns.offer(&signal.erase()));
        drop(signal);
        both(Some(to_subscribers), to_patterns).await
    }

    /// The same, without waiting for subscribers that are full, unless there are very many such signals: one who does not read
    /// is not to keep the bus from what it has to tell everyone else.
    pub(crate) async fn deliver_in_background(self: Arc<Self>, signal: Envelope<Signal>) {
        let background = Arc::clone(&self.background);
        let mut delivery = Box::pin(async move { self.deliver(signal).await });
        if (&mut delivery).now_or_never().is_some() {
            return;
        }
        let permit = background.acquire_owned().await;
        tokio::spawn(async move {
            delivery.await;
            drop(permit);
        });
    }

    /// Whether anybody in this process listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.subscribers.is_empty() || !self.patterns.is_empty()
    }

    /// Signals of this level and above.
    pub(crate) fn subscribe(&self, level: Level) -> SignalSubscription {
        let wants = move |signal: &Envelope<Signal>| signal.level >= level;
        SignalSubscription::new(self.subscribers.subscribe(Box::new(wants)))
    }

    /// Signals whose key the pattern selects.
    pub(crate) fn subscribe_pattern(&self, pattern: Pattern) -> Receiver<AnyEnvelope> {
        let wants = move |signal: &AnyEnvelope| pattern.matches(signal.key());
        self.patterns.subscribe(Box::new(wants))
    }

    /// Subscribers get what is buffered, then the end.
    pub(crate) fn close(&self) {
        self.subscribers.close();
        self.patterns.close();
    }

    /// How many signals wait in buffers, unread.
    pub(crate) fn unread(&self) -> u64 {
        self.subscribers.unread() + self.patterns.unread()
    }
}
