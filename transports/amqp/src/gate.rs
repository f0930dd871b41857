//! May messages be handed to the broker now?

use std::sync::atomic::{AtomicBool, Ordering};

/// Open while the publish connection is up and not blocked.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicBool);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn shut(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
