//! What comes in storms, counted and told by several threads.

use loom::{sync::Arc, thread};

use crate::{models::check, resilience::counter::Coalesced};

/// L-9.
#[test]
fn what_is_coalesced_is_told_once() {
    check(3, || {
        let coalesced = Arc::new(Coalesced::default());
        let threads = [0, 5].map(|now| {
            let coalesced = Arc::clone(&coalesced);
            thread::spawn(move || {
                coalesced.add_one();
                coalesced.due(now, 5).unwrap_or(0)
            })
        });
        let drained = coalesced.drain().unwrap_or(0);
        let told = threads.map(|thread| thread.join().expect("no panic"));
        let rest = coalesced.drain().unwrap_or(0);
        assert_eq!(told.iter().sum::<u64>() + drained + rest, 2);
        assert_eq!(coalesced.drain(), None);
    });
}
