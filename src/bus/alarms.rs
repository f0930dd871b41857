//! Who raises the signals of breakers and bulkheads?

use std::sync::{Arc, Weak};

use super::{Bus, Shared};
use crate::signal::{AlarmObserver, Alarms, Notices};

impl Bus {
    /// Raises pain when a breaker opens or calls are refused, and pleasure when that is over: for the components that
    /// have the observer it returns.
    ///
    /// ```
    /// use algedonic::{Alarms, Bus, Feeling, Level, resilience::registry::Registry};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::local();
    /// let mut signals = bus.signals();
    /// let registry = Registry::builder()
    ///     .standard()
    ///     .observer(bus.alarms(Alarms::new().critical("database")))
    ///     .build()?;
    ///
    /// registry.breaker("database").force_open();
    /// let pain = signals.recv().await.expect("open")?;
    /// assert_eq!((pain.feeling, pain.level), (Feeling::Pain, Level::Critical));
    /// assert_eq!(pain.metric, "breaker.database");
    ///
    /// registry.breaker("database").reset();
    /// let pleasure = signals.recv().await.expect("open")?; // after five seconds
    /// assert_eq!((pleasure.feeling, pleasure.level), (Feeling::Pleasure, Level::Critical));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A task raises them, in the runtime in which this is called. It keeps the bus alive, and ends with the last clone
    /// of the observer, or when the bus is shut down. A call that makes something happen waits for none of it: while
    /// the subscribers of signals are full, what else happens is counted, and the state that a component is left in is
    /// always told.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; the task does without timers enabled.
    pub fn alarms(&self, alarms: Alarms) -> AlarmObserver {
        let (observer, notices) = Notices::new(alarms);
        let bus = self.clone();
        tokio::spawn(async move {
            let raise = async {
                while let Some(signal) = notices.next().await {
                    if bus.signal(signal).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = raise => {}
                // Nobody is left to be told.
                () = bus.shared.signals_gate.closed() => {}
            }
        });
        observer
    }
}

/// The same for what the bus itself holds, and so without keeping it alive: not even while a subscriber is full.
pub(super) async fn raise(bus: Weak<Shared>, notices: Notices) {
    while let Some(signal) = notices.next().await {
        let Some((signals, envelope)) = bus.upgrade().and_then(|bus| {
            let envelope = bus.raise(signal).ok()?;
            Some((Arc::clone(&bus.signals), envelope))
        }) else {
            return;
        };
        signals.deliver(envelope).await;
    }
}
