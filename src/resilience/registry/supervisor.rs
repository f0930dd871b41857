//! Who looks after a registry while nobody calls?

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Health, Registry, Report};
use crate::{
    resilience::{Notice, What, observer::told},
    task::Task,
};

/// Looks how all components of a [`Registry`] are, once in a period, until it is dropped (requirement 1.03); from
/// [`Registry::supervise`].
#[must_use = "it ends when it is dropped"]
pub struct Supervisor {
    registry: Registry,
    every: Duration,
    _task: Task,
}

/// The health that observers were last told of.
#[derive(Debug)]
pub(super) struct LastHealth(Mutex<(Health, u64)>);

impl Registry {
    /// Looks now how all components are, and then once in each period, until the [`Supervisor`] is dropped: a health
    /// monitor, and an aggregator of metrics. What it finds it tells the [observer](super::RegistryBuilder::observer):
    /// each time a [report](crate::resilience::Observer::report), and a notice of
    /// [`What::Health`] when the whole has become better or worse, of which
    /// [`Bus::alarms`](crate::Bus::alarms) make pain and pleasure.
    ///
    /// Needs no more than a second: what changes and changes back within a period is missed, here, not by the notices
    /// of the components themselves. A look costs as much as a [report](Self::report), and waits for no call; a
    /// registry without a supervisor has no task at all.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use algedonic::{Alarms, Bus, Feeling, resilience::registry::Registry};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bus = Bus::local();
    /// let registry = Registry::builder()
    ///     .standard()
    ///     .critical("database")
    ///     .observer(bus.alarms(Alarms::new()))
    ///     .build()?;
    /// let supervisor = registry.supervise(Duration::from_secs(1));
    ///
    /// let mut signals = bus.signals();
    /// registry.breaker("database").force_open();
    /// let mut pains = Vec::new();
    /// for _ in 0..3 {
    ///     pains.push(signals.recv().await.expect("open")?.metric.clone());
    /// }
    /// assert_eq!(pains, ["breaker.database", "unhealthy.resilience", "degraded.resilience"]);
    ///
    /// registry.breaker("database").reset();
    /// let pleasure = signals.recv().await.expect("open")?;
    /// assert_eq!(pleasure.feeling, Feeling::Pleasure);
    /// # drop(supervisor);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with timers, and with a period of zero.
    pub fn supervise(&self, every: Duration) -> Supervisor {
        assert!(!every.is_zero(), "a supervisor needs a period");
        let registry = self.clone();
        let task = Task::spawn(&Handle::current(), async move {
            let mut periods = interval(every);
            // Late is late: the next look is a whole period after that.
            periods.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                periods.tick().await;
                registry.check();
            }
        });
        Supervisor {
            registry: self.clone(),
            every,
            _task: task,
        }
    }

    /// Looks once, as a [`Supervisor`] does in its period, and tells the observer what it finds. For who has a schedule
    /// of its own.
    pub fn check(&self) -> Report {
        let report = self.report();
        if let Some(observer) = self.inner.make.observer() {
            let to = report.health.overall;
            if let Some((from, generation)) = self.inner.last_health.replace(to) {
                let notice = Notice {
                    name: self.inner.name,
                    what: What::Health { from, to },
                    generation,
                    count: 1,
                    at: Instant::now(),
                };
                told(|| observer.notice(notice));
            }
            told(|| observer.report(&report));
        }
        report
    }
}

impl Supervisor {
    /// Whom it looks after.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl LastHealth {
    /// What it was before and how often it has changed, if it is another now.
    fn replace(&self, now: Health) -> Option<(Health, u64)> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut last.0, now);
        (before != now).then(|| {
            last.1 += 1;
            (before, last.1)
        })
    }
}

impl Default for LastHealth {
    fn default() -> Self {
        Self(Mutex::new((Health::Healthy, 0)))
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("registry", &self.registry.name())
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
