use std::{sync::Arc, task::Wake};

use tokio::sync::{Notify, futures::Notified};

/// Rings when the members should look again: all of them, because any one may be busy.
#[derive(Default)]
pub(super) struct Bell(Notify);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.notify_waiters();
    }

    /// Hears what rings after it was enabled, or polled.
    pub(super) fn rung(&self) -> Notified<'_> {
        self.0.notified()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
