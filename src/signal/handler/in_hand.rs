//! What became of the signals of a handler?

use std::{any::Any, sync::Arc};

use tower::BoxError;
use tracing::warn;

use crate::{handler::panic_message, observe::Ledger, signal::SignalSubscription};

/// Signals that wait for a handler. Those that wait when it is dropped are abandoned.
pub(super) struct Waiting {
    pub(super) signals: SignalSubscription,
    pub(super) ledger: Arc<Ledger>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.ledger.signals_abandoned.add(self.signals.unread());
    }
}

/// A signal that a handler has begun. Dropped before it is settled, it is abandoned.
pub(super) struct InHand {
    ledger: Arc<Ledger>,
    is_settled: bool,
}

impl InHand {
    pub(super) const fn new(ledger: Arc<Ledger>) -> Self {
        Self {
            ledger,
            is_settled: false,
        }
    }

    pub(super) fn settle<Err: Into<BoxError>>(
        mut self,
        name: &str,
        outcome: Result<Result<(), Err>, Box<dyn Any + Send>>,
    ) {
        self.is_settled = true;
        match outcome {
            Ok(Ok(())) => self.ledger.signals_handled.add(1),
            Ok(Err(error)) => {
                self.ledger.signals_failed.add(1);
                let error = error.into();
                warn!(handler = name, error, "a handler of signals failed");
            }
            Err(panic) => {
                self.ledger.signals_panicked.add(1);
                let panic = panic_message(&*panic);
                warn!(handler = name, panic, "a handler of signals panicked");
            }
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.ledger
            .signals_abandoned
            .add(u64::from(!self.is_settled));
    }
}
