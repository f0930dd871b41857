use super::sync::{AtomicUsize, Notify, Ordering};

/// Lets publishers in until it is closed, and knows when the last one has left.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// [`CLOSED`], and how many are inside.
    state: AtomicUsize,
    left: Notify,
    shut: Notify,
}

const CLOSED: usize = 1 << (usize::BITS - 1);

/// Someone inside; dropped, they have left.
#[derive(Debug)]
pub(crate) struct Inside<'a>(&'a Gate);

impl Gate {
    /// None once the gate is closed.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let before = self.state.fetch_add(1, Ordering::AcqRel);
        let inside = Inside(self);
        (before & CLOSED == 0).then_some(inside)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// True for the one call that closed it.
    pub(crate) fn close(&self) -> bool {
        let closed = self.state.fetch_or(CLOSED, Ordering::AcqRel) & CLOSED == 0;
        self.shut.notify_waiters();
        closed
    }

    /// Waits until it is closed.
    pub(crate) async fn closed(&self) {
        let shut = self.shut.notified();
        tokio::pin!(shut);
        // Registered before the look, or it could be closed unseen.
        shut.as_mut().enable();
        if !self.is_closed() {
            shut.await;
        }
    }

    /// Waits until nobody is inside of the closed gate.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            tokio::pin!(left);
            // Registered before the look, or the last one could leave unseen.
            left.as_mut().enable();
            if self.state.load(Ordering::Acquire) == CLOSED {
                return;
            }
            left.await;
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.0.state.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1 {
            self.0.left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_its_closing_is_told_before_and_after() {
        let gate = Gate::default();
        let closed = gate.closed();
        tokio::pin!(closed);
        assert!(closed.as_mut().now_or_never().is_none());
        gate.close();
        closed.await;
        gate.closed().await;
    }

    #[tokio::test]
    async fn a_closed_gate_is_empty_once_the_last_one_left() {
        let gate = Gate::default();
        let first = gate.enter().expect("open");
        assert!(gate.close());
        assert!(!gate.close(), "only the first call closes it");
        assert!(gate.enter().is_none());
        let empty = gate.empty();
        tokio::pin!(empty);
        assert!(empty.as_mut().now_or_never().is_none());
        drop(first);
        empty.await;
    }
}
