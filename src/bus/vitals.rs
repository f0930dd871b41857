//! Who looks at the bus, and raises what hurts?

use std::sync::{Arc, PoisonError, Weak};

use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, sleep},
};

use super::{Bus, Shared, alarms::tell};
use crate::{
    signal::{Signs, Vitals, Watch},
    task::Task,
};

/// The task that looks.
pub(super) struct Watching {
    vitals: watch::Sender<Vitals>,
    task: Task,
}

impl Bus {
    /// From now on the bus looks at itself, and raises pain when its mirror is down, its spool fills, its health is bad or a
    /// subscriber lags, and pleasure when that is over: [`Vitals`] says when.
    ///
    /// ```
    /// use algedonic::{Buffer, Bus, Event, Feeling, Vitals};
    ///
    /// struct Ordered;
    /// impl Event for Ordered {
    ///     const NAME: &'static str = "ordered";
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::local();
    /// bus.watch(Vitals::new());
    /// let mut signals = bus.signals();
    ///
    /// let slow = bus.subscribe_with::<Ordered>(Buffer::drop_oldest(1));
    /// for _ in 0..3 {
    ///     bus.publish(Ordered).await?;
    /// }
    /// let pain = signals.recv().await.expect("open")?;
    /// assert_eq!(pain.metric, "subscriber.lagging.ordered");
    /// assert_eq!((pain.feeling, pain.value), (Feeling::Pain, Some(2.0)));
    /// # drop(slow);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// One task looks, in the runtime in which this is called first, until the bus is dropped or its shutdown begins; it does
    /// not keep the bus alive. There is no other way to end it, or what hurts would never be said to be well. Called again,
    /// it sets what is looked at, and what hurts already goes on. While a subscriber of signals is full the task waits for
    /// it, and says how things are then. Publishing does nothing for it.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; the task does without timers enabled.
    pub fn watch(&self, vitals: Vitals) {
        let watching = self.shared.watching.lock();
        let mut watching = watching.unwrap_or_else(PoisonError::into_inner);
        let running = watching
            .as_ref()
            .filter(|watching| !watching.task.is_finished());
        if let Some(running) = running {
            running.vitals.send_replace(vitals);
            return;
        }
        let runtime = Handle::current();
        let (sender, receiver) = watch::channel(vitals);
        let task = Task::spawn(&runtime, watch(Arc::downgrade(&self.shared), receiver));
        *watching = Some(Watching {
            vitals: sender,
            task,
        });
    }

    /// How the bus is now; None when it ends.
    fn signs(&self) -> Option<Signs> {
        let is_ending = self.shared.local.is_draining();
        (!is_ending).then(|| Signs::new(&self.health(), &self.books()))
    }
}

async fn watch(bus: Weak<Shared>, mut vitals: watch::Receiver<Vitals>) {
    let mut watch = Watch::default();
    loop {
        let latest = vitals.borrow_and_update().clone();
        let pause = latest.pause();
        watch.set(latest);
        // Not kept while it sleeps.
        let Some(signs) = bus.upgrade().and_then(|shared| Bus { shared }.signs()) else {
            return;
        };
        for signal in watch.look(&signs, Instant::now()) {
            if tell(&bus, signal).await.is_none() {
                return;
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            changed = vitals.changed() => if changed.is_err() {
                return;
            },
        }
    }
}
