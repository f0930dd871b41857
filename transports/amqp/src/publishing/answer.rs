//! How does who has sent a message learn its outcome?
//!
//! Who waits is called when there is an answer, and looks for it, and for all others that there are by then. Who
//! does not wait is told by the task, and so is who was called and does not come: the task looks from time to
//! time.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use algedonic_transport::{Error, Outcome};
use tokio::sync::oneshot;

use super::line::Line;
use crate::window::{Calls, Wait};

/// The outcome of one message, for who waits for it.
pub(crate) struct Answer {
    told: oneshot::Receiver<Result<Outcome, Error>>,
    /// None if only the task can know.
    watch: Option<Watch>,
}

/// The place of a message on a channel.
pub(crate) struct Watch {
    line: Arc<Line>,
    calls: Arc<Calls>,
    at: (u64, usize),
}

impl Answer {
    pub(crate) fn new(
        told: oneshot::Receiver<Result<Outcome, Error>>,
        watch: Option<Watch>,
    ) -> Self {
        Self { told, watch }
    }
}

impl Future for Answer {
    type Output = Result<Outcome, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            // A ticket always answers; this is for a runtime that died under it.
            if let Poll::Ready(told) = Pin::new(&mut self.told).poll(context) {
                self.watch = None;
                return Poll::Ready(
                    told.unwrap_or_else(|_| Ok(Outcome::unknown("the transport has ended"))),
                );
            }
            let Some(watch) = &self.watch else {
                return Poll::Pending;
            };
            match watch.calls.wait(watch.at, context) {
                Wait::Called => return Poll::Pending,
                Wait::Look if watch.line.look(&watch.calls) => {}
                // Somebody has looked, and is about to tell; or the channel has ended.
                Wait::Look | Wait::Over => {
                    self.watch = None;
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Watch {
    pub(super) fn new(line: Arc<Line>, calls: Arc<Calls>, at: (u64, usize)) -> Self {
        Self { line, calls, at }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.calls.leave(self.at);
    }
}
