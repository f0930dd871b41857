use std::{fmt, sync::Arc};

use super::{LoadShedConfig, shared::Shared};
use crate::resilience::Name;

/// Sees a load shed from outside; outlives the services. Cheap to clone.
#[derive(Clone)]
pub struct LoadShedHandle {
    shared: Arc<Shared>,
}

/// How a load shed is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadShedStatus {
    /// Calls that were refused since it was made.
    pub shed: u64,
    /// Calls that would have been refused since then, and were exempt.
    pub exempted: u64,
}

impl LoadShedHandle {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared.reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &LoadShedConfig {
        &self.shared.config
    }

    /// Its counts.
    pub fn status(&self) -> LoadShedStatus {
        LoadShedStatus {
            shed: self.shared.shed.sum(),
            exempted: self.shared.exempted.sum(),
        }
    }
}

impl fmt::Debug for LoadShedHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShedHandle")
            .field("name", &self.name())
            .field("status", &self.status())
            .finish()
    }
}
