//! The gate, but not the inside of tokio's `Notify`.

use std::sync::atomic::AtomicUsize;

use loom::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::{block_on, check};
use crate::local::Gate;

#[test]
fn a_closed_gate_is_empty_once_all_have_left() {
    check(3, || {
        let gate = Arc::new(Gate::default());
        let done = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
        // Not loom's: it orders nothing.
        let entered = std::sync::Arc::new(AtomicUsize::new(0));
        let visitors = [0, 1].map(|visitor| {
            let (gate, done, entered) = (Arc::clone(&gate), Arc::clone(&done), entered.clone());
            thread::spawn(move || {
                let inside = gate.enter();
                if inside.is_some() {
                    entered.fetch_or(1 << visitor, Ordering::Relaxed);
                    done[visitor].store(true, Ordering::Relaxed);
                }
                drop(inside);
            })
        });
        assert!(gate.close());
        block_on(gate.empty());
        let entered = entered.load(Ordering::Relaxed);
        for (visitor, done) in done.iter().enumerate() {
            assert_eq!(done.load(Ordering::Relaxed), entered & 1 << visitor != 0);
        }
        for visitor in visitors {
            visitor.join().expect("no panic");
        }
    });
}
