//! May messages of a lane be handed to the broker now?

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Open while the lane has a channel, and the broker does not block it.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// The generation that holds it open; 0 for none.
    open: AtomicU64,
    last: AtomicU64,
}

impl Gate {
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) != 0
    }

    /// A new generation, which does not hold the gate open yet.
    pub(crate) fn pass(self: &Arc<Self>) -> Pass {
        Pass {
            generation: self.last.fetch_add(1, Ordering::SeqCst) + 1,
            gate: self.clone(),
        }
    }
}

/// The hold that one generation, the channel of one connection, has on the gate. An old one, late
/// as it may be, can neither shut the gate on its successor nor pass messages through it.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    generation: u64,
    gate: Arc<Gate>,
}

impl Pass {
    pub(crate) fn open(&self) {
        self.gate.open.fetch_max(self.generation, Ordering::SeqCst);
    }

    pub(crate) fn shut(&self) {
        // It fails when somebody else holds it open, or nobody.
        let _ =
            self.gate
                .open
                .compare_exchange(self.generation, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Whether this generation holds it open.
    pub(crate) fn is_open(&self) -> bool {
        self.gate.open.load(Ordering::SeqCst) == self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_generation_does_not_shut_the_gate_on_its_successor() {
        let gate = Arc::new(Gate::default());
        let old = gate.pass();
        old.open();
        assert!(gate.is_open() && old.is_open());
        let new = gate.pass();
        new.open();
        old.shut();
        assert!(gate.is_open() && new.is_open() && !old.is_open());
        old.open();
        assert!(new.is_open() && !old.is_open());
        new.shut();
        assert!(!gate.is_open() && !new.is_open());
    }
}
