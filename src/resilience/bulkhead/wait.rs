use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::shared::{Entry, Held};
use crate::resilience::Rejection;

/// Waits for a slot, as long as one may. A timer is made only if it has to wait.
#[pin_project]
#[derive(Debug)]
pub(super) struct Wait {
    /// None when it is over.
    entry: Option<Entry>,
    #[pin]
    timer: Option<Sleep>,
}

impl Wait {
    pub(super) const fn new(entry: Entry) -> Self {
        Self {
            entry: Some(entry),
            timer: None,
        }
    }
}

impl Future for Wait {
    type Output = Result<Held, Rejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(Entry::Queued(queued)) = this.entry {
            // A slot that comes with the end of the wait is taken.
            let served = match queued.poll(cx) {
                Poll::Ready(held) => Ok(held),
                Poll::Pending => {
                    if this.timer.is_none() {
                        this.timer.set(Some(sleep_until(queued.until)));
                    }
                    if let Some(timer) = this.timer.as_mut().as_pin_mut() {
                        ready!(timer.poll(cx));
                    }
                    queued.give_up()
                }
            };
            *this.entry = None;
            this.timer.set(None);
            return Poll::Ready(served);
        }
        match this.entry.take() {
            Some(Entry::Held(held)) => Poll::Ready(Ok(held)),
            Some(Entry::Rejected(rejection)) => Poll::Ready(Err(rejection)),
            Some(Entry::Queued(_)) | None => panic!("polled after it was ready"),
        }
    }
}
