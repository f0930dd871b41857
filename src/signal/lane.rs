use std::sync::Arc;

use algedonic_transport::Pattern;

use super::{Level, Signal};
use crate::{
    event::{AnyEnvelope, Envelope},
    local::{Buffer, Inlet, Lane, Spread, Subscription, selects},
    observe::Ledger,
};

/// How many unread signals a subscriber holds before raising one waits for it: a signal is not
/// dropped.
const BUFFER: Buffer = Buffer::block(1024);

/// The ways of signals in this process, which no event takes: one to subscribers of signals, one to
/// subscribers of patterns.
#[derive(Debug)]
pub(crate) struct Signals {
    subscribers: Arc<Lane<Envelope<Signal>>>,
    patterns: Arc<Lane<AnyEnvelope>>,
}

impl Signals {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        Self {
            subscribers: Lane::new(ledger),
            patterns: Lane::new(ledger),
        }
    }

    /// Waits only for subscribers of signals that are full.
    pub(crate) async fn deliver(&self, signal: Envelope<Signal>) -> Spread {
        let mut spread = Spread::default();
        if !self.patterns.is_empty() {
            spread += self.patterns.deliver(signal.erase()).await;
        }
        spread += self.subscribers.deliver(signal).await;
        spread
    }

    /// Signals of this level and above.
    pub(crate) fn subscribe(&self, level: Level) -> Subscription<Signal> {
        let wants = move |signal: &Envelope<Signal>| signal.level >= level;
        Subscription::new(self.subscribers.subscribe(BUFFER, Some(Box::new(wants))))
    }

    /// Signals whose key the pattern selects.
    pub(crate) fn subscribe_pattern(&self, pattern: Pattern) -> Inlet<AnyEnvelope> {
        self.patterns.subscribe(BUFFER, Some(selects(pattern)))
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
