use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    task::{Poll, ready},
};

use algedonic_transport::{Error, ErrorKind, Key};
use futures_util::FutureExt;

use super::{PublishOptions, Receipt, Shared, publish::stamp};
use crate::{
    delay::{Due, Slot, Work},
    event::Event,
    local::{Draft, Lane, Publication, Refused, Supply},
};

/// An event that is to be published when it is due, with all that was said of it before. Dropped, it
/// settles its account, if nobody has.
pub(super) struct Planned<E: Event> {
    pub(super) slot: Arc<Slot<E, Receipt>>,
    /// It does not keep the bus alive.
    pub(super) bus: Weak<Shared>,
    pub(super) lane: Arc<Lane<E>>,
    pub(super) key: Key,
    pub(super) options: Option<Box<PublishOptions>>,
}

/// The event, unless it is taken back until then.
struct Claim<E: Event>(Arc<Slot<E, Receipt>>);

impl<E: Event> Supply<E> for Claim<E> {
    fn supply(self) -> Option<E> {
        self.0.take()
    }
}

impl<E: Event> Due for Planned<E> {
    fn publish(mut self: Box<Self>) -> Work {
        Box::pin(async move {
            let publish = AssertUnwindSafe(self.publish_now()).catch_unwind();
            let outcome = publish.await.unwrap_or_else(|_| {
                Err(Error::permanent(ErrorKind::Unexpected, "publish")
                    .with_detail("something panicked while the event was published"))
            });
            self.slot.settle(outcome);
        })
    }
}

impl<E: Event> Planned<E> {
    /// Publishes it, and waits for room, but not once the bus is gone or the event taken back. Of an event
    /// that was taken back the result does not matter.
    async fn publish_now(&mut self) -> Result<Receipt, Error> {
        let options = self.options.take().map(|options| *options);
        let full = stamp(&self.lane, self.key.clone(), options);
        let event = Claim(Arc::clone(&self.slot));
        let draft = Draft { event, full };
        let mut publication = Publication::new(&*self.lane, draft);
        poll_fn(|cx| {
            // Held for this moment only: dropping the bus ends the wait.
            let Some(bus) = self.bus.upgrade() else {
                return Poll::Ready(Err(Refused::Closed.into()));
            };
            if self.slot.is_withdrawn(cx) {
                return Poll::Ready(Err(Refused::Closed.into()));
            }
            Poll::Ready(match ready!(publication.poll(Some(cx))) {
                Ok(committed) => Ok(bus.receipt(&self.lane, committed)),
                Err(refused) => Err(refused.into()),
            })
        })
        .await
    }
}

impl<E: Event> Drop for Planned<E> {
    fn drop(&mut self) {
        self.slot.settle(Err(Refused::Closed.into()));
    }
}
