//! Breakers, bulkheads and retries by name, for a whole application: one place that makes them, finds them, and says how
//! they are and what they have counted. A [`Supervisor`] looks after them while nobody calls.
//!
//! ```
//! # use std::{convert::Infallible, io};
//! use algedonic::resilience::{
//!     breaker::BreakerConfig,
//!     bulkhead::BulkheadConfig,
//!     registry::{Health, Registry},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::builder()
//!     .standard()
//!     .breaker("pricing", BreakerConfig::default())
//!     .bulkhead("reports", BulkheadConfig::default().size(2))
//!     .critical("database")
//!     .build()?;
//!
//! let price = registry.with_breaker("pricing", || async { Ok::<_, io::Error>(700) }).await?;
//! let report = registry.with_pool("reports", || async { Ok::<_, io::Error>("…") }).await?;
//! # assert_eq!((price, report), (700, "…"));
//!
//! // Around a service, the same breaker.
//! let layer = registry.breaker_layer("pricing");
//!
//! assert_eq!(registry.health().overall, Health::Healthy);
//! # let _ = layer;
//! # Ok(())
//! # }
//! ```
//!
//! One inside the other, the breaker outside, so that what finds the pool full is no failure of the dependency:
//!
//! ```
//! # use std::io;
//! # use algedonic::resilience::registry::Registry;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let registry = Registry::default();
//! let answer = registry
//!     .with_breaker("llm_api", || {
//!         registry.with_pool("llm_worker", || async { Ok::<_, io::Error>("an answer") })
//!     })
//!     .await?;
//! # assert_eq!(answer, "an answer");
//! # Ok(())
//! # }
//! ```

mod backoff;
mod builder;
mod health;
mod metrics;
mod named;
mod refusals;
mod rule;
mod supervisor;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock, Weak},
    time::Duration,
};

use self::{builder::Make, refusals::Refusals, supervisor::LastHealth};
pub use self::{
    builder::RegistryBuilder,
    health::{BreakerHealth, BulkheadHealth, Health, HealthReport},
    metrics::{
        BreakerCounts, BreakerMetrics, BulkheadCounts, BulkheadMetrics, Metrics, Report, Totals,
    },
    supervisor::Supervisor,
};
use super::{
    Name,
    breaker::{self, BreakerHandle, BreakerLayer, ByKind, Classifier},
    bulkhead::{BulkheadHandle, BulkheadLayer, Scope},
    retry::RetryLayer,
};

/// Breakers and bulkheads by their names. A clone is the same registry.
///
/// A name that nobody has configured gets a component when it is first asked for, with the configuration of a
/// [standard](RegistryBuilder::standard) one if it is the name of one, else with the default; and that shows in the
/// [report](Self::health) like any other. Components are never dropped: name dependencies and
/// pools, not calls or customers.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    name: Name,
    make: Make,
    /// How long a bulkhead counts as rejecting after the last rejection.
    hold: Duration,
    last_health: LastHealth,
    breakers: RwLock<BTreeMap<Name, BreakerLayer>>,
    bulkheads: RwLock<BTreeMap<Name, (BulkheadLayer, Arc<Refusals>)>>,
    retries: RwLock<BTreeMap<Name, RetryLayer>>,
}

/// A registry that somebody else keeps.
pub(crate) struct WeakRegistry(Weak<Inner>);

impl Registry {
    /// A registry of what is configured.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// Its name: `resilience`, or what its builder says.
    pub fn name(&self) -> Name {
        self.inner.name
    }

    /// To see and to control the breaker of this name.
    pub fn breaker(&self, name: impl Into<Name>) -> BreakerHandle {
        self.breaker_layer(name).handle()
    }

    /// The breaker of this name, to be put around services, which share its state.
    pub fn breaker_layer(&self, name: impl Into<Name>) -> BreakerLayer {
        let name = name.into();
        find(&self.inner.breakers, name, || {
            self.inner.make.default_breaker(name)
        })
    }

    /// To see and to control the bulkhead of this name.
    pub fn bulkhead(&self, name: impl Into<Name>) -> BulkheadHandle {
        self.bulkhead_layer(name).handle()
    }

    /// The bulkhead of this name, to be put around services, which share its slots.
    pub fn bulkhead_layer(&self, name: impl Into<Name>) -> BulkheadLayer {
        let name = name.into();
        let make = || self.inner.make.default_bulkhead(name);
        find(&self.inner.bulkheads, name, make).0
    }

    /// Runs what is not a service through the breaker of this name, as [`BreakerHandle::call`] does.
    pub fn with_breaker<F, T, E>(
        &self,
        name: impl Into<Name>,
        call: impl FnOnce() -> F,
    ) -> breaker::ResponseFuture<F>
    where
        F: Future<Output = Result<T, E>>,
        ByKind: Classifier<T, E>,
    {
        self.breaker(name).call(call)
    }

    /// Runs what is not a service with a slot of the bulkhead of this name, as [`BulkheadHandle::call`] does.
    pub fn with_pool<C, F, T, E>(&self, name: impl Into<Name>, call: C) -> Scope<C, F>
    where
        C: FnOnce() -> F,
        F: Future<Output = Result<T, E>>,
    {
        self.bulkhead(name).call(call)
    }

    pub(crate) fn downgrade(&self) -> WeakRegistry {
        WeakRegistry(Arc::downgrade(&self.inner))
    }

    /// How all of them are now, by name.
    pub fn health(&self) -> HealthReport {
        let inner = &*self.inner;
        let breakers = inner
            .breakers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let breakers: Vec<_> = breakers
            .iter()
            .map(|(name, layer)| BreakerHealth::of(&layer.handle(), inner.make.is_critical(*name)))
            .collect();
        let bulkheads = inner
            .bulkheads
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let bulkheads: Vec<_> = bulkheads
            .values()
            .map(|(layer, refusals)| {
                BulkheadHealth::of(&layer.handle(), refusals.is_recent(inner.hold))
            })
            .collect();
        HealthReport::new(breakers, bulkheads)
    }

    /// What all of them have counted since they were made, by name; its [`total`](Metrics::total) is that of all.
    ///
    /// ```
    /// # use std::io;
    /// # use algedonic::resilience::registry::Registry;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let registry = Registry::default();
    /// for answer in [Ok(1), Ok(2), Err(io::Error::other("overloaded"))] {
    ///     let _ = registry.with_breaker("llm_api", || async { answer }).await;
    /// }
    /// let metrics = registry.metrics();
    /// let llm = metrics.breaker("llm_api").expect("a standard one").counts;
    /// assert_eq!((llm.calls, llm.succeeded, llm.failed), (3, 2, 1));
    /// assert_eq!(metrics.total().breakers, llm);
    /// # }
    /// ```
    pub fn metrics(&self) -> Metrics {
        let inner = &*self.inner;
        let breakers = inner
            .breakers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let bulkheads = inner
            .bulkheads
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Metrics {
            breakers: breakers
                .values()
                .map(|layer| BreakerMetrics::of(&layer.handle()))
                .collect(),
            bulkheads: bulkheads
                .values()
                .map(|(layer, _)| BulkheadMetrics::of(&layer.handle()))
                .collect(),
        }
    }

    /// How all of them are now, and what they have counted.
    pub fn report(&self) -> Report {
        Report {
            name: self.inner.name,
            health: self.health(),
            metrics: self.metrics(),
        }
    }
}

impl WeakRegistry {
    pub(crate) fn upgrade(&self) -> Option<Registry> {
        self.0.upgrade().map(|inner| Registry { inner })
    }
}

/// What has this name; made if nothing has.
fn find<T: Clone>(all: &RwLock<BTreeMap<Name, T>>, name: Name, make: impl FnOnce() -> T) -> T {
    if let Some(found) = all
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&name)
    {
        return found.clone();
    }
    let mut all = all.write().unwrap_or_else(PoisonError::into_inner);
    all.entry(name).or_insert_with(make).clone()
}

impl Default for Registry {
    /// With the [standard](RegistryBuilder::standard) components.
    fn default() -> Self {
        let standard = Self::builder().standard().build();
        standard.expect("the standard configurations are valid")
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.health()).finish()
    }
}
