use std::{
    any::TypeId,
    sync::Arc,
    time::{Duration, SystemTime},
};

use algedonic_transport::Error;

use super::{Bus, Delayed, PublishOptions, Publisher, Shared, planned::Planned};
use crate::{
    delay::Slot,
    event::{Cause, Event},
    local::Lane,
};

impl Bus {
    /// Publishes an event after a delay, unless it is cancelled before: by
    /// [`cancel`](Delayed::cancel), which gives it back, or by dropping what is returned.
    /// [`detach`](Delayed::detach) that to let the event go its way.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use algedonic::{Bus, Event};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), algedonic::Error> {
    /// # struct Overdue(u32); impl Event for Overdue { const NAME: &'static str = "overdue"; }
    /// # let bus = Bus::local();
    /// let reminder = bus.publish_after(Duration::from_secs(3600), Overdue(17))?;
    /// // Paid meanwhile:
    /// let overdue = reminder.cancel().expect("not yet due");
    /// # assert_eq!(overdue.0, 17);
    ///
    /// let receipt = bus.publish_after(Duration::from_secs(60), overdue)?.await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It is published as by [`publish`](Self::publish), to those who subscribe at that time, with that
    /// time; mirrored, if its type is. Its key, and its [cause](Cause::current), are those of this
    /// call. By tokio's clock it is published at the end of the delay or up to a few milliseconds
    /// later, never earlier; a delay of more than a hundred years ends then.
    ///
    /// Events are published in the order in which they are due, and those of the same instant in the
    /// order in which they were scheduled. One that waits for a full subscriber
    /// ([`Lag::Block`](crate::Lag::Block)) holds up those of its type that are due after it, and
    /// no other type.
    ///
    /// A delayed event lives in memory alone, and does not survive its process. It does not keep the
    /// bus alive either: when the last of that is dropped, so are its delayed events, and at a
    /// [`shutdown`](Self::shutdown) what is not yet due; see [`Delayed`].
    ///
    /// # Errors
    ///
    /// The event is dropped then, and never published.
    ///
    /// - `Closed` after [`shutdown`](Self::shutdown).
    /// - `Busy` when as many are scheduled as [`Builder::delay_capacity`](crate::Builder::delay_capacity)
    ///   allows.
    /// - `Malformed` as for [`publish`](Self::publish).
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled. If the bus has no delayed events at the time, its
    /// timer runs in this runtime until it has none; if the runtime ends before, they are dropped.
    pub fn publish_after<E: Event>(&self, delay: Duration, event: E) -> Result<Delayed<E>, Error> {
        let lane = Arc::clone(self.shared.local.lane());
        self.shared.publish_later(lane, delay, event, None)
    }

    /// As [`publish_after`](Self::publish_after), saying more than the event. Its
    /// [`ttl`](PublishOptions::ttl) begins when it is published.
    pub fn publish_after_with<E: Event>(
        &self,
        delay: Duration,
        event: E,
        options: PublishOptions,
    ) -> Result<Delayed<E>, Error> {
        let lane = Arc::clone(self.shared.local.lane());
        self.shared.publish_later(lane, delay, event, Some(options))
    }

    /// As [`publish_after`](Self::publish_after), at a time of the day; one that is past means now.
    ///
    /// How long it is until then is worked out once, in this call: what is done to the machine's clock
    /// afterwards changes nothing.
    pub fn publish_at<E: Event>(&self, time: SystemTime, event: E) -> Result<Delayed<E>, Error> {
        self.publish_after(until(time), event)
    }

    /// As [`publish_at`](Self::publish_at), saying more than the event. Its
    /// [`ttl`](PublishOptions::ttl) begins when it is published.
    pub fn publish_at_with<E: Event>(
        &self,
        time: SystemTime,
        event: E,
        options: PublishOptions,
    ) -> Result<Delayed<E>, Error> {
        self.publish_after_with(until(time), event, options)
    }
}

impl<E: Event> Publisher<E> {
    /// As [`Bus::publish_after`].
    pub fn publish_after(&self, delay: Duration, event: E) -> Result<Delayed<E>, Error> {
        let lane = Arc::clone(&self.lane);
        self.shared.publish_later(lane, delay, event, None)
    }

    /// As [`Bus::publish_after_with`].
    pub fn publish_after_with(
        &self,
        delay: Duration,
        event: E,
        options: PublishOptions,
    ) -> Result<Delayed<E>, Error> {
        let lane = Arc::clone(&self.lane);
        self.shared.publish_later(lane, delay, event, Some(options))
    }

    /// As [`Bus::publish_at`].
    pub fn publish_at(&self, time: SystemTime, event: E) -> Result<Delayed<E>, Error> {
        self.publish_after(until(time), event)
    }

    /// As [`Bus::publish_at_with`].
    pub fn publish_at_with(
        &self,
        time: SystemTime,
        event: E,
        options: PublishOptions,
    ) -> Result<Delayed<E>, Error> {
        self.publish_after_with(until(time), event, options)
    }
}

fn until(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::now()).unwrap_or_default()
}

impl Shared {
    fn publish_later<E: Event>(
        self: &Arc<Self>,
        lane: Arc<Lane<E>>,
        delay: Duration,
        event: E,
        options: Option<PublishOptions>,
    ) -> Result<Delayed<E>, Error> {
        let key = self.address(&event)?;
        let options = PublishOptions::fixed(options, Cause::current()).map(Box::new);
        let bus = Arc::downgrade(self);
        let mut slot = None;
        let plan = |books: &_| {
            let slot = slot.insert(Arc::new(Slot::new(event, books)));
            Planned {
                slot: Arc::clone(slot),
                bus,
                lane,
                key,
                options,
            }
        };
        let scheduled = self.delays.schedule(delay, TypeId::of::<E>(), plan);
        let ticket = scheduled.map_err(|error| self.refuse(error))?;
        let slot = slot.expect("it was made when it was scheduled");
        Ok(Delayed::new(slot, ticket))
    }
}
