use std::{fmt, sync::Arc};

use algedonic_transport::Error;

use super::{Bus, PublishOptions, Receipt, Shared, publishing::Publish};
use crate::{event::Event, local::Lane};

/// Publishes events of one type, without a lookup; made by [`Bus::publisher`].
///
/// Cloning it copies two pointers. It keeps the bus alive, as a clone of the [`Bus`] does.
pub struct Publisher<E: Event> {
    pub(super) shared: Arc<Shared>,
    pub(super) lane: Arc<Lane<E>>,
}

impl Bus {
    /// A handle that publishes events of type `E`, for those who publish often.
    pub fn publisher<E: Event>(&self) -> Publisher<E> {
        Publisher {
            shared: Arc::clone(&self.shared),
            lane: Arc::clone(self.shared.local.lane()),
        }
    }
}

impl<E: Event> Publisher<E> {
    /// As [`Bus::publish`].
    #[inline]
    pub fn publish(&self, event: E) -> impl Future<Output = Result<Receipt, Error>> + Send {
        Publish::new(&self.shared, &self.lane, event)
    }

    /// As [`Bus::publish_with`].
    pub async fn publish_with(&self, event: E, options: PublishOptions) -> Result<Receipt, Error> {
        self.shared
            .publish_any(&self.lane, event, Some(options))
            .await
    }

    /// As [`publish`](Self::publish), but it never waits.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish); `Busy` also while a subscriber is full that chose
    /// [`Lag::Block`](crate::Lag::Block).
    pub fn try_publish(&self, event: E) -> Result<Receipt, Error> {
        self.shared.try_publish(&self.lane, event, None)
    }

    /// Publishes several events, one after another, each as by [`publish`](Self::publish); others may publish in
    /// between. Each is taken from the iterator when the one before it is published.
    ///
    /// # Errors
    ///
    /// Those of [`publish`](Self::publish), for the first event that is refused, which is dropped. The ones
    /// before it are published, and their receipts are in the error; those behind it are not published.
    ///
    /// # Cancellation
    ///
    /// Dropped before it is ready, it has published the first events and not the others; the receipts are lost.
    pub async fn publish_all(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Receipt>, Interrupted> {
        let events = events.into_iter();
        let mut receipts = Vec::with_capacity(events.size_hint().0);
        for event in events {
            match self.publish(event).await {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => return Err(Interrupted { receipts, error }),
            }
        }
        Ok(receipts)
    }
}

impl<E: Event> Clone for Publisher<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            lane: Arc::clone(&self.lane),
        }
    }
}

impl<E: Event> fmt::Debug for Publisher<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("event", &E::NAME)
            .finish_non_exhaustive()
    }
}

/// Several events were to be published, and one was refused; from [`Publisher::publish_all`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Interrupted {
    /// Of the events before it, all of which are published.
    pub receipts: Vec<Receipt>,
    /// Why it was refused.
    pub error: Error,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after {} events were published: {}",
            self.receipts.len(),
            self.error
        )
    }
}

impl std::error::Error for Interrupted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
