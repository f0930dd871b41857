//! The suite that every transport passes: whole, with quorum queues; its scenarios also with classic
//! queues, and through a slow proxy. The rest of it runs there with the ignored tests; then the scenarios
//! have their full form, if `ALGEDONIC_LONG` is set.

mod far;
mod world;

use algedonic_amqp::QueueType;
use algedonic_transport::{
    conformance::{Finding, SCENARIOS, stress},
    conformance_promises, conformance_scenarios, conformance_tests,
};

use self::{far::Far, world::RabbitMq};

conformance_tests!(RabbitMq::with(QueueType::Quorum));

mod classic {
    use super::*;

    conformance_scenarios!(RabbitMq::with(QueueType::Classic));

    conformance_promises! {
        #[ignore = "takes a minute"]
        RabbitMq::with(QueueType::Classic)
    }
}

mod through_a_proxy {
    use super::*;

    conformance_scenarios!(Far::new());

    conformance_promises! {
        #[ignore = "takes a minute"]
        Far::new()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn ten_of_each_scenario_at_once() {
    let found = stress(10, Far::patient).await;
    assert_eq!(found.len(), 10 * SCENARIOS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}
