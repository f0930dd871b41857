//! Who sees to it that somebody reacts to pain?

use std::sync::Arc;

use algedonic_transport::Error;
use futures_util::FutureExt;

use super::Bus;
use crate::{
    event::Cause,
    signal::{Chain, Desk, Escalation, Level, Signal},
};

impl Bus {
    /// Brings pain to those who are to react to it, one after another, until somebody does.
    ///
    /// A pain comes to the first seat of the chain. It is settled when its holder [acknowledges](crate::Pain::acknowledge) it,
    /// or anybody by its [id](Chain::acknowledge), or when a pleasure of the same source and metric is raised. Otherwise it is
    /// raised again, one level higher, when the seat's time has passed, and comes to the next one. Raised again it is
    /// a [signal](Self::signal) like any other: for every subscriber of its level, for other processes, for the disk; its
    /// [step](Signal::step) says how often, its causation is the first.
    ///
    /// One source's pain of one metric is one pain while it is open, however often it is raised: a storm climbs no
    /// faster than a single one.
    ///
    /// Pains of other processes come to it as well, unless it [is for its own](Escalation::own_only); what another chain has raised
    /// again stays with that one. An acknowledgement is known in this process only: where several processes have a chain, each is
    /// to be told, or the pleasure raised, which reaches all.
    ///
    /// A task does it, in the runtime in which this is called. It ends with the bus, which it does not keep alive; what is open
    /// then is not settled, and not on any disk.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use algedonic::{Bus, Escalation, Level, Signal};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::local();
    /// let chain = bus.escalate(
    ///     Escalation::new()
    ///         .seat("s3", Duration::from_secs(30))
    ///         .seat("s5", Duration::from_secs(60)),
    /// )?;
    /// let mut s3 = chain.seat("s3")?;
    /// let mut s5 = chain.seat("s5")?;
    ///
    /// bus.signal(Signal::pain(Level::Medium, "queue_depth").source("s1")).await?;
    /// assert_eq!(s3.recv().await.expect("open").level, Level::Medium);
    /// // S3 sleeps. Half a minute later:
    /// let pain = s5.recv().await.expect("open");
    /// assert_eq!((pain.level, pain.step), (Level::High, 1));
    /// assert!(pain.acknowledge());
    /// assert_eq!(chain.counts().acknowledged, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Misconfigured`: no seat, two of one name, or a time that is none.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled.
    pub fn escalate(&self, escalation: Escalation) -> Result<Chain, Error> {
        escalation.validate()?;
        let chain = Chain::new(escalation);
        let signals = self.signals_from(Level::Low);
        let bus = Arc::downgrade(&self.shared);
        let raise = move |signal: Signal, cause: Cause| {
            let bus = bus.upgrade()?;
            let envelope = bus.raise(signal, Some(cause)).ok()?;
            let (signals, raised) = (Arc::clone(&bus.signals), envelope.clone());
            let delivery = async move {
                signals.deliver(raised).await;
            };
            Some((envelope, delivery.boxed()))
        };
        let desk = Desk::new(&chain, signals, self.id(), Box::new(raise));
        tokio::spawn(desk.run());
        Ok(chain)
    }
}
