use std::sync::Arc;

use algedonic_transport::Pattern;

use super::{Level, Signal};
use crate::{
    event::{AnyEnvelope, Envelope},
    local::{Buffer, Lane, Reached, Receiver, Subscription, both, selects},
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

    /// Reaches first all that have room; then it waits for subscribers of signals that are full.
    pub(crate) async fn deliver(&self, signal: Envelope<Signal>) -> Reached {
        let to_subscribers = self.subscribers.offer(&signal);
        let to_patterns = (!self.patterns.is_empty()).then(|| self.patterns.offer(&signal.erase()));
        drop(signal);
        both(Some(to_subscribers), to_patterns).await
    }

    /// Signals of this level and above.
    pub(crate) fn subscribe(&self, level: Level) -> Subscription<Signal> {
        let wants = move |signal: &Envelope<Signal>| signal.level >= level;
        Subscription::new(self.subscribers.subscribe(BUFFER, Some(Box::new(wants))))
    }

    /// Signals whose key the pattern selects.
    pub(crate) fn subscribe_pattern(&self, pattern: Pattern) -> Receiver<AnyEnvelope> {
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
