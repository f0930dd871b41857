//! The memory transport keeps every promise of the interface.

mod world;

use algedonic_transport::conformance::{CHECKS, Finding, Form, SCENARIOS, run_all, stress};

algedonic_transport::conformance_tests!(world::Memories::new());

fn full() -> world::Memories {
    world::Memories {
        form: Form::Full,
        ..world::Memories::new()
    }
}

mod in_full {
    algedonic_transport::conformance_scenarios!(super::full());
}

/// With five times the patience, for they share the processors.
#[tokio::test(flavor = "multi_thread")]
async fn ten_of_each_scenario_at_once() {
    let found = stress(10, || world::Memories {
        deadline: 5 * world::Memories::new().deadline,
        ..world::Memories::new()
    })
    .await;
    assert_eq!(found.len(), 10 * SCENARIOS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}

/// On one thread, with a clock that only moves when nothing else can.
#[tokio::test(start_paused = true)]
async fn every_promise_is_kept_under_a_paused_clock() {
    let found = run_all(async || world::Memories::new()).await;
    assert_eq!(found.len(), CHECKS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}
