//! The suite that every transport passes: with quorum queues, through a slow proxy, and, as far as the
//! scenarios go, with classic queues; the rest of it runs there with the ignored tests. Where
//! `ALGEDONIC_LONG` is set, the scenarios have their full form.

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

    conformance_tests!(Far::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn five_of_each_scenario_at_once() {
    let found = stress(5, Far::patient).await;
    assert_eq!(found.len(), 5 * SCENARIOS.len());
    for (name, found) in found {
        assert_eq!(found, Ok(Finding::Kept), "{name}");
    }
}
