use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::RequestError;
use crate::observe::Ledger;

/// What the requests of one bus have in common.
pub(super) struct Books {
    ledger: Arc<Ledger>,
    closing: AtomicBool,
}

impl Books {
    pub(super) fn new(ledger: &Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self {
            ledger: Arc::clone(ledger),
            closing: AtomicBool::new(false),
        })
    }

    pub(super) fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Whether the bus ends.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// One request in the books. Whoever settles it first decides its outcome: the asker, or the end
/// that answers.
pub(super) struct Entry {
    books: Arc<Books>,
    settled: AtomicBool,
}

impl Entry {
    pub(super) fn open(books: &Arc<Books>) -> Arc<Self> {
        books.ledger.requests.add(1);
        Arc::new(Self {
            books: Arc::clone(books),
            settled: AtomicBool::new(false),
        })
    }

    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    /// True if this is the outcome; it is in the books then.
    #[must_use]
    pub(super) fn settle<T, E>(&self, outcome: &Result<T, RequestError<E>>) -> bool {
        let ledger = &self.books.ledger;
        let first = self.claim();
        if first {
            let counter = match outcome {
                Ok(_) => &ledger.requests_answered,
                Err(RequestError::Failed(_)) => &ledger.requests_declined,
                Err(RequestError::TimedOut { .. }) => &ledger.requests_timed_out,
                Err(RequestError::Lost(_) | RequestError::Closing { begun: true }) => {
                    &ledger.requests_lost
                }
                Err(RequestError::NoResponder | RequestError::Closing { begun: false }) => {
                    &ledger.requests_refused
                }
            };
            counter.add(1);
        }
        first
    }

    /// The asker has gone.
    pub(super) fn withdraw(&self) {
        if self.claim() {
            self.books.ledger.requests_withdrawn.add(1);
        }
    }

    fn claim(&self) -> bool {
        !self.settled.swap(true, Ordering::AcqRel)
    }
}
