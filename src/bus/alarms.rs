//! Who raises the signals of breakers and bulkheads?

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use algedonic_transport::CorrelationId;
use tokio::{runtime::Handle, time::sleep};

use super::{Bus, Shared};
use crate::{
    mirror::Running,
    signal::{AlarmObserver, Alarms, Notices, Signal, SpoolAlarms},
    task::Task,
};

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

/// Raises the signals of a mirror.
pub(super) fn begin(bus: &Weak<Shared>, mirror: &Running, alarms: &Alarms) -> Vec<Task> {
    // The mirror runs in one.
    let Ok(runtime) = Handle::try_current() else {
        return Vec::new();
    };
    let breaker = mirror.notices(alarms);
    let breaker = breaker.map(|notices| Task::spawn(&runtime, raise(bus.clone(), notices)));
    let spool = mirror.spool_alarms(alarms);
    let spool = spool.map(|alarms| Task::spawn(&runtime, raise_of_spool(bus.clone(), alarms)));
    breaker.into_iter().chain(spool).collect()
}

/// The same for what the bus itself holds, and so without keeping it alive: not even while a subscriber is full.
async fn raise(bus: Weak<Shared>, notices: Notices) {
    while let Some(signal) = notices.next().await {
        if tell(&bus, signal).await.is_none() {
            return;
        }
    }
}

/// The same for its spool, which may have something to tell before anybody could subscribe.
async fn raise_of_spool(bus: Weak<Shared>, mut alarms: SpoolAlarms) {
    for _ in 0..100 {
        let is_heard = bus.upgrade().is_none_or(|bus| bus.signals.is_heard());
        if is_heard {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }
    while let Some(signal) = alarms.next().await {
        match tell(&bus, signal).await {
            Some(raised) => alarms.raised(raised),
            None => return,
        }
    }
}

/// What joins it with all that is raised because of it. None where the bus has ended.
pub(super) async fn tell(bus: &Weak<Shared>, signal: Signal) -> Option<CorrelationId> {
    let (signals, envelope) = bus.upgrade().and_then(|bus| {
        let envelope = bus.raise(signal, None).ok()?;
        Some((Arc::clone(&bus.signals), envelope))
    })?;
    let correlation = envelope.metadata().correlation;
    signals.deliver_in_background(envelope).await;
    Some(correlation)
}
