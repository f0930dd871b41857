use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Loss, Outcome, Request, RequestError, entry::Entry};

/// The end of a request that answers. Dropped without an answer it says why there is none, so that
/// the asker always learns.
pub(super) struct Reply<R: Request> {
    /// None once it has answered.
    sender: Option<oneshot::Sender<Outcome<R>>>,
    entry: Arc<Entry>,
    begun: bool,
}

impl<R: Request> Reply<R> {
    pub(super) fn new(entry: &Arc<Entry>) -> (Self, oneshot::Receiver<Outcome<R>>) {
        let (sender, receiver) = oneshot::channel();
        let reply = Self {
            sender: Some(sender),
            entry: Arc::clone(entry),
            begun: false,
        };
        (reply, receiver)
    }

    /// From now on a responder has it in hand.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// Whether the asker has gone.
    pub(super) fn is_unwanted(&self) -> bool {
        self.sender.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Waits until the asker has gone.
    pub(super) async fn unwanted(&mut self) {
        if let Some(sender) = &mut self.sender {
            sender.closed().await;
        }
    }

    pub(super) fn send(mut self, outcome: Outcome<R>) {
        self.resolve(outcome);
    }

    pub(super) fn time_out(self) {
        let begun = self.begun;
        self.send(Err(RequestError::TimedOut { begun }));
    }

    fn resolve(&mut self, outcome: Outcome<R>) {
        if let Some(sender) = self.sender.take()
            && self.entry.settle(&outcome)
        {
            // The asker may go in this very moment; it was answered.
            let _ = sender.send(outcome);
        }
    }
}

impl<R: Request> Drop for Reply<R> {
    fn drop(&mut self) {
        let begun = self.begun;
        self.resolve(Err(if self.entry.books().is_closing() {
            RequestError::Closing { begun }
        } else if begun {
            RequestError::Lost(Loss::Gone)
        } else {
            RequestError::NoResponder
        }));
    }
}
