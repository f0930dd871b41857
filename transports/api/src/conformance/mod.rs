//! The suite that every transport passes, from its own tests.
//!
//! Each check tries one promise of [`Transport`](crate::Transport) and is named by it. Which apply
//! is decided by the declared [`Capabilities`](crate::Capabilities) and by what the [`World`] can
//! do; a check that does not apply says so, it does not pass in silence.
//!
//! ```text
//! // tests/conformance.rs
//! use std::sync::Arc;
//! use algedonic_transport::{Transport, conformance::World};
//!
//! struct Mine(MyBroker);
//!
//! impl World for Mine {
//!     fn connect(&self, name: &str) -> Arc<dyn Transport> {
//!         Arc::new(MyTransport::new(self.0.address(), name))
//!     }
//! }
//!
//! // One `#[tokio::test]` for each check, each with a world of its own.
//! algedonic_transport::conformance_tests!(Mine(MyBroker::fresh().await));
//! ```
//!
//! The checks whose names begin with `scenario` are those of Watermill's universal suite, in a short form
//! and in a full one ([`World::form`]); [`conformance_scenarios!`](crate::conformance_scenarios) declares
//! these alone, and [`stress`] runs many of them at once.
//!
//! A single check is a function: `conformance::lanes_are_separate(&world).await?`. All of them, by
//! one call: [`run_all`]. A wrapper around a transport runs the suite in the same way.

use tokio::task::JoinSet;

mod arrival;
mod checks;
mod closing;
mod commands;
mod crowd;
mod failure;
mod flow;
mod inbox;
mod interest;
mod message;
mod order;
mod outages;
mod party;
mod patience;
mod scenarios;
mod settlement;
mod switch;
mod world;

pub use self::{
    checks::Check,
    failure::{Failure, Finding},
    world::{DEADLINE, Form, OUTAGE_DEADLINE, Outage, World},
};

crate::__conformance_checks! { __conformance_exports }
crate::__conformance_checks! { __conformance_table
    /// Every check of the suite.
    CHECKS
}
crate::__conformance_scenarios! { __conformance_table
    /// Those of the checks that are a scenario: some transports at once, a flow of messages, and the set
    /// of what arrives. The others try one promise each.
    SCENARIOS
}

/// What a check gives back.
type Checked = Result<Finding, Failure>;

/// Runs every check, each in a world of its own, and gives back what each found.
pub async fn run_all<W: World>(
    mut world: impl AsyncFnMut() -> W,
) -> Vec<(&'static str, Result<Finding, Failure>)> {
    let mut found = Vec::with_capacity(CHECKS.len());
    for check in CHECKS {
        found.push((check.name(), check.run(&world().await).await));
    }
    found
}

/// Runs each scenario so many times, all at once, each in a world of its own, and gives back what each
/// found.
pub async fn stress<W: World + 'static>(
    times: usize,
    mut world: impl FnMut() -> W,
) -> Vec<(&'static str, Result<Finding, Failure>)> {
    let mut running = JoinSet::new();
    for check in SCENARIOS.iter().cycle().take(SCENARIOS.len() * times) {
        let world = world();
        running.spawn(async move { (check.name(), check.run(&world).await) });
    }
    running.join_all().await
}

/// Turns what a check found into the end of a test: prints why it was not applicable, panics if
/// the promise is broken.
///
/// # Panics
///
/// When the check failed; also when it was not applicable in a world where everything applies.
pub fn conclude(check: &str, world: &dyn World, found: Result<Finding, Failure>) {
    match found {
        Ok(Finding::Kept) => {}
        Ok(Finding::NotApplicable(missing)) => {
            assert!(
                !world.everything_applies(),
                "{check}: not applicable, for want of {missing}; everything is meant to apply here"
            );
            println!("{check}: not applicable, for want of {missing}");
        }
        Err(failure) => panic!("{check}: {failure}"),
    }
}
