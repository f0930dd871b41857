//! How does a bus know how breakers and bulkheads are?

use std::sync::PoisonError;

use super::Bus;
use crate::resilience::registry::{HealthReport, Registry};

impl Bus {
    /// From now on [`health`](Self::health) says how the breakers and bulkheads of this registry are, too: in its
    /// [`resilience`](crate::Health::resilience), and in the [status](crate::Health::status) of the whole. Of another
    /// registry before, no more.
    ///
    /// The bus does not keep the registry: when its last clone is gone, the health is that of the bus alone.
    ///
    /// ```
    /// use algedonic::{Bus, Status, resilience::registry::Registry};
    ///
    /// let (bus, registry) = (Bus::local(), Registry::default());
    /// bus.include_health_of(&registry);
    /// registry.breaker("llm_api").force_open();
    ///
    /// let health = bus.health();
    /// assert_eq!(health.status, Status::Degraded);
    /// assert_eq!(
    ///     health.to_string(),
    ///     "degraded, no mirror, resilience degraded: llm_api forced open"
    /// );
    /// ```
    pub fn include_health_of(&self, registry: &Registry) {
        let mut included = self
            .shared
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *included = Some(registry.downgrade());
    }

    /// How the included registry is, if there still is one.
    pub(super) fn resilience(&self) -> Option<HealthReport> {
        let registry = {
            let included = self.shared.registry.lock();
            let included = included.unwrap_or_else(PoisonError::into_inner);
            included.as_ref()?.upgrade()?
        };
        Some(registry.health())
    }
}
