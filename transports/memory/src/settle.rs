use std::sync::Arc;

use algedonic_transport::{Lane, Settle, Settlement};

use crate::shared::Shared;

/// Ends deliveries of one queue. Outlives the transport that made it: what comes too late finds its
/// tag gone, and has no effect.
pub(crate) struct Settler {
    pub(crate) shared: Arc<Shared>,
    pub(crate) receiver: Arc<str>,
    pub(crate) lane: Lane,
}

impl Settle for Settler {
    fn settle(&self, tag: u64, settlement: Settlement) {
        self.shared
            .change(|state| state.settle(&self.receiver, self.lane, tag, settlement));
    }
}
