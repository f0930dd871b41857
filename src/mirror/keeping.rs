//! What is kept on the disk through an outage, and from when on?

use std::{sync::Arc, time::Duration};

use super::{Mirror, Outage, Route};
use crate::{event::Event, spool::Spool};

impl<S> Mirror<S> {
    /// Keeps on the disk what cannot be confirmed: every signal, and events of the types whose
    /// [outage policy](Self::outage) is [`Outage::Spool`].
    ///
    /// With a spool [`Bus::signal`](crate::Bus::signal) returns when the other side has confirmed the signal, or when it is on
    /// the disk, synced. What lies there is sent, in order, until it is confirmed: by this process, or by the next that
    /// opens the same spool. The mirror closes it at [`Bus::shutdown`](crate::Bus::shutdown). The order is that of each
    /// level, for signals, and that of all events that are kept.
    ///
    /// A crash is survived by what has an outcome of [`Remote::Confirmed`](crate::Remote::Confirmed) or
    /// [`Remote::Spooled`](crate::Remote::Spooled). Receivers may get a message twice, and tell it by its id.
    ///
    /// A disk that fails holds up no signal that the other side takes, and one that hangs does so for a second: it is sent past
    /// what lies there. What was spooled, and what waited for that, is handed to the transport without any
    /// [layer](Self::layer).
    ///
    /// ```
    /// # #[cfg(all(feature = "memory", feature = "spool"))]
    /// # async fn example() -> Result<(), algedonic::Error> {
    /// # use algedonic::{Bus, Event, Mirror, memory::Broker};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Order { number: u64 }
    /// # impl Event for Order { const NAME: &'static str = "shop.order"; }
    /// use algedonic::{Level, Outage, Signal, spool::{FileSpool, SpoolConfig}};
    ///
    /// # let transport = Broker::new().transport("shop");
    /// let spool = FileSpool::open(SpoolConfig::new("/var/lib/shop/outbound.spool")).await?;
    /// let mirror = Mirror::new(transport)
    ///     .spool(spool)
    ///     .event::<Order>()
    ///     .outage::<Order>(Outage::Spool);
    /// let bus = Bus::builder().mirror(mirror).build()?;
    ///
    /// let receipt = bus.signal(Signal::pain(Level::Critical, "stock")).await?;
    /// assert!(receipt.remote().await.is_safe()); // at once: it is confirmed, or on the disk
    /// # Ok(())
    /// # }
    /// ```
    pub fn spool(mut self, spool: impl Spool) -> Self {
        self.spool = Some(Arc::new(spool));
        self
    }

    /// How long a signal may await its confirm before it goes to the disk, where there is a [`spool`](Self::spool); default
    /// 250 ms (ours): confirms take some milliseconds, and a person does not notice a quarter of a second. The confirm is
    /// awaited all the same.
    pub fn spool_after(mut self, patience: Duration) -> Self {
        self.spool_after = patience;
        self
    }

    /// What becomes of events of type `E` while the other side cannot be reached; default [`Outage::LocalOnly`]. The type has to be
    /// registered to be sent, and [`Outage::Spool`] needs a [`spool`](Self::spool):
    /// [`Builder::build`](crate::Builder::build) says so.
    ///
    /// What is kept is what could not be handed over, and what may have left without an answer. An answer is final: an event
    /// that nobody wants, or that the other side refuses, is not kept. While some lie on the disk all later ones pass
    /// through it. Too many for the [lane](Self::outbound_capacity) are not kept: publishing waits for no disk.
    pub fn outage<E: Event>(self, outage: Outage) -> Self {
        self.register(Route::of::<E>().map(|route| route.outage(outage)))
    }
}
