use std::time::Duration;

use algedonic::{
    Feeling, LinkState, LocalOnly, Remote,
    amqp::QueueType,
    resilience::{Rejection, breaker::State},
};
use algedonic_test_broker::Node;

use super::broker::{command, node};
use crate::{
    events::Tick,
    patience::{until, within},
    rabbitmq::{bus, config, link_is},
};

/// Requirements 0.05, 0.15, 1.15, against a RabbitMQ that is dead: the breaker opens after five failures in a row, publishing
/// goes on without the transport, and the broker's return closes it. Pain and pleasure are raised once each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_broker_opens_the_breaker_and_its_return_closes_it() {
    const EVENTS: u64 = 1_000;
    let node = node().await;
    // A broker on a busy machine is away for longer than it takes to try seldom.
    let config = config(&node.url(), "breaking", "here")
        .queue_type(QueueType::Classic)
        .max_backoff(Duration::from_secs(1));
    let here = bus(config);
    link_is(&here, LinkState::Up).await;
    // RabbitMQ 3.10 loses quorum queues that are killed young, and signals have some; after an orderly restart they are
    // not that young.
    command(&node, Node::stop).await;
    command(&node, Node::restart).await;
    let connects = || here.health().mirror.expect("there is one").link.connects;
    until("the second connection", || connects() == 2).await;
    link_is(&here, LinkState::Up).await;
    let mut ticks = here.subscribe::<Tick>();
    let mut signals = here.signals();
    let publish = async |number| {
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        within("the outcome", receipt.remote()).await
    };
    assert!(publish(0).await.is_confirmed());
    let breaker = here.mirror_stack().expect("there").breaker().clone();
    assert_eq!(
        (breaker.name().as_str(), breaker.state()),
        ("amqp", State::Closed)
    );

    command(&node, Node::kill).await;
    link_is(&here, LinkState::Down).await;
    let mut number = 1;
    while breaker.state() == State::Closed {
        assert!(publish(number).await.is_local_only());
        number += 1;
    }
    assert_eq!((breaker.state(), breaker.status().failed), (State::Open, 5));
    for number in number..EVENTS {
        let Remote::LocalOnly(LocalOnly::Away(error)) = publish(number).await else {
            panic!("event {number} did not stay");
        };
        let source = std::error::Error::source(&error).expect("a source");
        assert!(source.is::<Rejection>(), "{error}");
        assert!(error.to_string().contains("amqp"), "{error}");
    }
    assert_eq!(breaker.status().failed, 5, "the transport was not called");
    for number in 0..EVENTS {
        assert_eq!(
            ticks.recv().await.expect("open").expect("no gap").number,
            number
        );
    }

    command(&node, Node::restart).await;
    link_is(&here, LinkState::Up).await;
    let remote = publish(EVENTS).await;
    assert!(remote.is_confirmed(), "{remote}");
    assert_eq!(breaker.state(), State::Closed);
    for wanted in [Feeling::Pain, Feeling::Pleasure] {
        let signal = within("the signal", signals.recv()).await;
        let signal = signal.expect("open").expect("no gap");
        assert_eq!((signal.feeling, &*signal.metric), (wanted, "breaker.amqp"));
    }
    assert_eq!(here.counts().signals, 2);
}
