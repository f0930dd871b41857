//! How many messages await their outcome, and who is told when one has it?

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use algedonic_transport::{Error, ErrorKind, Outcome};
use tokio::sync::{Notify, oneshot};

/// The messages whose senders wait.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    waiting: AtomicU64,
    zero: Notify,
    closed: AtomicBool,
}

impl Tally {
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Completes when no message waits for its outcome.
    pub(crate) async fn settled(&self) {
        loop {
            let zero = self.zero.notified();
            if self.waiting() == 0 {
                return;
            }
            zero.await;
        }
    }

    /// The error of a message that has not left the process.
    pub(crate) fn refusal(&self) -> Error {
        if self.is_closed() {
            Error::permanent(ErrorKind::Closed, "send a message to RabbitMQ")
        } else {
            Error::transient(ErrorKind::Unavailable, "send a message to RabbitMQ").with_detail(
                "the broker cannot be reached, or does not take this lane now; the link says why",
            )
        }
    }
}

/// The right to be told one outcome. Dropped without one it tells what is certain: nothing is
/// known of a message that was handed over, and one that was not has not left the process.
#[derive(Debug)]
pub(crate) struct Ticket {
    answer: Option<oneshot::Sender<Result<Outcome, Error>>>,
    handed_over: bool,
    tally: Arc<Tally>,
}

impl Ticket {
    pub(crate) fn new(tally: &Arc<Tally>) -> (Self, oneshot::Receiver<Result<Outcome, Error>>) {
        let (answer, answered) = oneshot::channel();
        tally.waiting.fetch_add(1, Ordering::SeqCst);
        let ticket = Self {
            answer: Some(answer),
            handed_over: false,
            tally: tally.clone(),
        };
        (ticket, answered)
    }

    /// The message is about to leave the process.
    pub(crate) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    pub(crate) fn resolve(mut self, outcome: Outcome) {
        self.tell(Ok(outcome));
    }

    /// It has not left the process, and will not.
    pub(crate) fn refuse(mut self) {
        let refusal = self.tally.refusal();
        self.tell(Err(refusal));
    }

    fn tell(&mut self, result: Result<Outcome, Error>) {
        if let Some(answer) = self.answer.take() {
            // Nobody may be listening any more: then nobody wants to know.
            // Who listens may panic as it is woken, which is no concern of the others who are told.
            let _ = catch_unwind(AssertUnwindSafe(|| answer.send(result)));
            if self.tally.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.tally.zero.notify_waiters();
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.answer.is_none() {
            return;
        }
        let result = if self.handed_over {
            Ok(Outcome::unknown("the transport ended before the answer"))
        } else {
            Err(self.tally.refusal())
        };
        self.tell(result);
    }
}
