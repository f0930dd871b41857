//! The memory transport keeps every promise of the interface.

mod world;

use algedonic_transport::conformance::{CHECKS, Finding, run_all};

algedonic_transport::conformance_tests!(world::Memories::new());

/// On one thread, with a clock that only moves when nothing else can.
#[tokio::test(start_paused = true)]
async fn every_promise_is_kept_under_a_paused_clock() {
    let found = run_all(async || world::Memories::new()).await;
    assert_eq!(found.len(), CHECKS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}
