use std::{fmt, num::NonZeroUsize, sync::Arc};

use tower::BoxError;

use super::{SignalHandler, drive::drive};
use crate::{
    event::Envelope,
    observe::Ledger,
    signal::{Level, Signal, Signals},
    task::Tasks,
};

/// As many signals as one handler has in hand at once by default (ours): few enough that a storm is no flood of calls, and
/// one that hangs holds up nothing.
const CONCURRENCY: NonZeroUsize = NonZeroUsize::new(8).expect("more than none");

/// Sets up a handler of signals; made by [`Bus::on_signals`](crate::Bus::on_signals).
#[must_use = "a handler begins with `handle`"]
pub struct SignalHandlerBuilder<'a> {
    signals: &'a Signals,
    handlers: &'a Tasks,
    ledger: &'a Arc<Ledger>,
    level: Level,
    name: Arc<str>,
    concurrency: NonZeroUsize,
}

impl<'a> SignalHandlerBuilder<'a> {
    pub(crate) fn new(
        signals: &'a Signals,
        handlers: &'a Tasks,
        ledger: &'a Arc<Ledger>,
        level: Level,
    ) -> Self {
        Self {
            signals,
            handlers,
            ledger,
            level,
            name: Signal::NAME.into(),
            concurrency: CONCURRENCY,
        }
    }

    /// What the handler is called in logs; by default `algedonic.signal`.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How many signals it may have in hand at once; default 8. They are begun in the order in which they came; with one,
    /// they are also finished in it.
    ///
    /// # Panics
    ///
    /// When it is 0.
    pub fn concurrency(mut self, signals: usize) -> Self {
        self.concurrency = NonZeroUsize::new(signals).expect("a handler needs a hand");
        self
    }

    /// Calls `handler` for each signal, in a task of the handler's own.
    ///
    /// Whatever is published inside carries the signal as its [`Cause`](crate::Cause). An error is logged and counted
    /// ([`Counts::signals_failed`](crate::Counts::signals_failed)), and so is a panic
    /// ([`Counts::signals_panicked`](crate::Counts::signals_panicked)); neither ends the handler, and nothing is tried
    /// again: what still hurts is raised again.
    ///
    /// While all its hands are full, 1,024 signals wait for it; then raising one waits, because a signal is not dropped. So
    /// a handler should end every call after some time, and one that raises signals should not hear of its own.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn handle<F, Fut, Err>(self, handler: F) -> SignalHandler
    where
        F: Fn(Envelope<Signal>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Err>> + Send + 'static,
        Err: Into<BoxError> + 'static,
    {
        let signals = self.signals.subscribe(self.level);
        let ledger = Arc::clone(self.ledger);
        let work = drive(signals, handler, self.concurrency, self.name, ledger);
        SignalHandler::new(self.handlers.spawn(work))
    }
}

impl fmt::Debug for SignalHandlerBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalHandlerBuilder")
            .field("level", &self.level)
            .field("name", &self.name)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
