//! What is in a registry from the beginning?

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, RwLock},
    time::Duration,
};

use super::{Inner, Registry, refusals::Refusals, supervisor::LastHealth};
use crate::resilience::{
    ConfigError, Name, Observer,
    breaker::{BreakerConfig, BreakerLayer},
    bulkhead::{BulkheadConfig, BulkheadLayer},
    observer,
    retry::{RetryConfig, RetryLayer},
};

/// Makes a [`Registry`].
pub struct RegistryBuilder {
    name: Name,
    breakers: BTreeMap<Name, BreakerConfig>,
    bulkheads: BTreeMap<Name, BulkheadConfig>,
    retries: BTreeMap<Name, RetryConfig>,
    make: Make,
    hold: Duration,
}

/// What every component of a registry is made with.
#[derive(Default)]
pub(super) struct Make {
    observer: Option<Arc<dyn Observer>>,
    critical: BTreeSet<Name>,
}

impl RegistryBuilder {
    /// Its own name, in reports and in notices of its [health](crate::resilience::What::Health); by default
    /// `resilience`.
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.name = name.into();
        self
    }

    /// A breaker of this name; in place of one that was named so before.
    pub fn breaker(mut self, name: impl Into<Name>, config: BreakerConfig) -> Self {
        self.breakers.insert(name.into(), config);
        self
    }

    /// A bulkhead of this name; in place of one that was named so before.
    pub fn bulkhead(mut self, name: impl Into<Name>, config: BulkheadConfig) -> Self {
        self.bulkheads.insert(name.into(), config);
        self
    }

    /// A retry of this name; in place of one that was named so before.
    pub fn retry(mut self, name: impl Into<Name>, config: RetryConfig) -> Self {
        self.retries.insert(name.into(), config);
        self
    }

    /// The breakers `llm_api`, `amqp`, `external_api` and `database` (requirement 1.01), and the bulkheads
    /// `worker_agent`, `llm_worker`, `sensor_agent`, `api_agent` and `telegram_bot` (requirement 1.02),
    /// each with the configuration of its name.
    pub fn standard(self) -> Self {
        self.breaker("llm_api", BreakerConfig::llm_api())
            .breaker("amqp", BreakerConfig::amqp())
            .breaker("external_api", BreakerConfig::external_api())
            .breaker("database", BreakerConfig::database())
            .bulkhead("worker_agent", BulkheadConfig::worker_agent())
            .bulkhead("llm_worker", BulkheadConfig::llm_worker())
            .bulkhead("sensor_agent", BulkheadConfig::sensor_agent())
            .bulkhead("api_agent", BulkheadConfig::api_agent())
            .bulkhead("telegram_bot", BulkheadConfig::telegram_bot())
    }

    /// Without the breaker of this name nothing works: the application is
    /// [unhealthy](super::Health::Unhealthy) while it is open.
    pub fn critical(mut self, breaker: impl Into<Name>) -> Self {
        self.make.critical.insert(breaker.into());
        self
    }

    /// Who is told what happens to any of the components. Each of several is told, in the order in which they were
    /// set.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.make.observer = Some(observer::and(self.make.observer.take(), observer));
        self
    }

    /// For how long a bulkhead counts as rejecting after it has refused a call; default 5 s (ours), so that a report
    /// between two refusals says so too. Refusals are noticed to the second.
    pub const fn rejection_hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// The registry, if every configuration can work.
    pub fn build(self) -> Result<Registry, ConfigError> {
        let Self {
            name,
            breakers,
            bulkheads,
            retries,
            make,
            hold,
        } = self;
        let breakers: Result<_, ConfigError> = breakers
            .into_iter()
            .map(|(name, config)| Ok((name, make.breaker(name, config)?)))
            .collect();
        let bulkheads: Result<_, ConfigError> = bulkheads
            .into_iter()
            .map(|(name, config)| Ok((name, make.bulkhead(name, config)?)))
            .collect();
        let retries: Result<_, ConfigError> = retries
            .into_iter()
            .map(|(name, config)| Ok((name, make.retry(name, config)?)))
            .collect();
        Ok(Registry {
            inner: Arc::new(Inner {
                name,
                last_health: LastHealth::default(),
                breakers: RwLock::new(breakers?),
                bulkheads: RwLock::new(bulkheads?),
                retries: RwLock::new(retries?),
                make,
                hold,
            }),
        })
    }
}

impl Make {
    pub(super) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref()
    }

    pub(super) fn is_critical(&self, breaker: Name) -> bool {
        self.critical.contains(&breaker)
    }

    pub(super) fn default_breaker(&self, name: Name) -> BreakerLayer {
        let made = self.breaker(name, BreakerConfig::of(name));
        made.expect("the default is valid")
    }

    pub(super) fn default_bulkhead(&self, name: Name) -> (BulkheadLayer, Arc<Refusals>) {
        let made = self.bulkhead(name, BulkheadConfig::of(name));
        made.expect("the default is valid")
    }

    pub(super) fn default_retry(&self, name: Name) -> RetryLayer {
        let config = match name.as_str() {
            "external_api" => RetryConfig::external_api(),
            _ => RetryConfig::default(),
        };
        self.retry(name, config).expect("the default is valid")
    }

    fn retry(&self, name: Name, config: RetryConfig) -> Result<RetryLayer, ConfigError> {
        let mut builder = RetryLayer::builder(config).name(name);
        if let Some(observer) = &self.observer {
            builder = builder.observer(Arc::clone(observer));
        }
        builder.build()
    }

    fn breaker(&self, name: Name, config: BreakerConfig) -> Result<BreakerLayer, ConfigError> {
        let mut builder = BreakerLayer::builder(config).name(name).count_calls();
        if let Some(observer) = &self.observer {
            builder = builder.observer(Arc::clone(observer));
        }
        builder.build()
    }

    fn bulkhead(
        &self,
        name: Name,
        config: BulkheadConfig,
    ) -> Result<(BulkheadLayer, Arc<Refusals>), ConfigError> {
        let refusals = Arc::new(Refusals::default());
        let noting = Arc::clone(&refusals);
        let mut builder = BulkheadLayer::builder(config)
            .name(name)
            .observer(move |notice| noting.note(notice));
        if let Some(observer) = &self.observer {
            builder = builder.observer(Arc::clone(observer));
        }
        Ok((builder.build()?, refusals))
    }
}

impl Default for RegistryBuilder {
    fn default() -> Self {
        Self {
            name: Name::from_static("resilience"),
            breakers: BTreeMap::new(),
            bulkheads: BTreeMap::new(),
            retries: BTreeMap::new(),
            make: Make::default(),
            hold: Duration::from_secs(5),
        }
    }
}

impl fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("name", &self.name)
            .field("breakers", &self.breakers)
            .field("bulkheads", &self.bulkheads)
            .field("retries", &self.retries)
            .field("critical", &self.make.critical)
            .field("rejection_hold", &self.hold)
            .finish_non_exhaustive()
    }
}
