//! Which queue, and what is read first.

use std::time::Duration;

use algedonic_amqp::{Amqp, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Lane, Pattern, Transport};
use futures_util::future::join_all;

use super::{LEVELS, lengths, one_of_each, receive, with_key};
use crate::{
    dead_letters::waiting,
    support::{
        blocking, config, config_of, confirmed, ctl, everything, next, node, operator, prefix_of,
        soon, up,
    },
};

/// Whatever is set for events. Requirement 0.14: the name that an operator looks for.
#[tokio::test(flavor = "multi_thread")]
async fn the_queues_of_signals_have_these_names_and_arguments() {
    let node = node().await;
    let config = config_of(&node).prefix("vsm").queue("s3");
    let config = config
        .queue_type(QueueType::Classic)
        .message_ttl(Some(Duration::from_secs(3600)))
        .max_length(Some(1));
    let amqp = Amqp::new(config).expect("started");
    let _signals = receive(&amqp);
    up(&amqp).await;
    let columns = ["list_queues", "name", "durable", "type", "arguments"];
    let listed = ctl(&node, &columns).await;
    let mut queues: Vec<_> = listed.lines().collect();
    queues.sort_unstable();
    assert_eq!(queues.len(), 6, "{listed}");
    let limit = r#"{"x-delivery-limit",1000}"#;
    for (queue, name) in queues.iter().zip([
        "vsm.algedonic.signals",
        "vsm.s3.signals.critical",
        "vsm.s3.signals.dlq",
        "vsm.s3.signals.high",
        "vsm.s3.signals.low",
        "vsm.s3.signals.medium",
    ]) {
        assert!(
            queue.starts_with(&format!("{name}\ttrue\tquorum\t")),
            "{queue}"
        );
        let says = |what: &str| queue.contains(what);
        assert!(says(limit), "{queue}");
        assert!(!says("x-message-ttl") && !says("x-expires"), "{queue}");
        let bounded = says("x-max-length");
        if name.contains(".dlq") || name.starts_with("vsm.algedonic") {
            assert!(bounded && says("100000"), "{queue}");
        } else {
            assert!(!bounded, "{queue}");
            for argument in [
                r#"{"x-dead-letter-exchange","#,
                r#"{"x-dead-letter-routing-key","vsm.s3.signals.dlq"}"#,
                r#"{"x-dead-letter-strategy","at-least-once"}"#,
                r#"{"x-overflow","reject-publish"}"#,
            ] {
                assert!(says(argument), "{argument} is not in {queue}");
            }
        }
    }
}

/// Requirement 0.10.
#[tokio::test]
async fn each_subsystem_and_the_audit_queue_get_a_copy_in_the_queue_of_its_level() {
    let config = config().await;
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let names = ["s1", "s3", "s5"];
    let mut owners = Vec::new();
    for name in names {
        let owner = Amqp::new(config.clone().queue(name)).expect("started");
        let arrivals = receive(&owner);
        up(&owner).await;
        // So that all of them wait.
        drop(arrivals);
        soon("close", owner.close(Duration::from_secs(5))).await;
        owners.push(config.clone().queue(name));
    }
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    for signal in one_of_each() {
        confirmed(&sender, signal).await;
    }
    for owner in &owners {
        let queues = owner.signal_queue_names();
        assert_eq!(lengths(&channel, &queues).await, [1; 4]);
    }
    let audit = config.audit_queue_name().expect("by default");
    assert_eq!(audit, format!("{}.algedonic.signals", prefix_of(&config)));
    assert_eq!(waiting(&channel, &audit).await, 4);
    for owner in owners {
        let amqp = Amqp::new(owner).expect("started");
        let mut arrivals = receive(&amqp);
        for (key, priority) in LEVELS {
            let delivery = next(&mut arrivals).await;
            let metadata = &delivery.message().metadata;
            assert_eq!((&*metadata.key, metadata.priority.get()), (key, priority));
            delivery.ack();
        }
    }
}

/// Whatever the interest is: one queue for each, and one copy.
#[tokio::test]
async fn what_ends_with_no_level_comes_too_and_nothing_comes_twice() {
    let config = config().await.queue("q");
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut interest = everything();
    let more = ["algedonic.#", "#.critical", "a.*"];
    interest.extend(more.map(|text| Pattern::new(text).expect("a pattern")));
    let arrivals = amqp.receive(Lane::Signal, interest).expect("first call");
    up(&amqp).await;
    drop(arrivals);
    soon("close", amqp.close(Duration::from_secs(5))).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    let keys = [
        ("critical", 0),
        ("a.critical", 0),
        ("algedonic.pain.critical", 0),
        ("critical.high", 1),
        ("medium", 2),
        ("a.low", 3),
        ("a.b", 3),
        ("critical.b", 3),
        ("algedonic", 3),
        ("algedonic.pain.Critical", 3),
    ];
    let mut expected = [0; 4];
    for (key, band) in keys {
        confirmed(&amqp, with_key(key)).await;
        expected[band] += 1;
        let queues = config.signal_queue_names();
        assert_eq!(lengths(&channel, &queues).await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_critical_signal_passes_two_thousand_that_are_low() {
    const PREFETCH: u16 = 20;
    let config = config().await.queue("q").prefetch(PREFETCH);
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    drop(arrivals);
    soon("close", owner.close(Duration::from_secs(5))).await;
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    for _ in 0..5 {
        let sent = (0..400).map(|_| sender.send(with_key("algedonic.pain.low")));
        for outcome in soon("outcomes", join_all(sent)).await {
            outcome.expect("sent");
        }
    }
    let last = confirmed(&sender, with_key("algedonic.pain.critical")).await;

    let owner = Amqp::new(config).expect("started");
    let mut arrivals = receive(&owner);
    let mut held = Vec::new();
    let mut before = 0;
    loop {
        let delivery = next(&mut arrivals).await;
        if delivery.message().metadata.id == last {
            delivery.ack();
            break;
        }
        before += 1;
        held.push(delivery);
    }
    println!("{before} were read before it");
    // The broker sends no more before some are settled.
    assert!(before <= usize::from(PREFETCH), "{before}");
    // And while all that the broker may send of the low ones is in hand, an urgent one comes.
    while held.len() < usize::from(PREFETCH) {
        held.push(next(&mut arrivals).await);
    }
    for level in ["algedonic.pain.high", "algedonic.pain.critical"] {
        let sent = confirmed(&sender, with_key(level)).await;
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, sent);
        delivery.ack();
    }
    // None of the others is forgotten.
    let mut low = 0;
    for delivery in held {
        low += 1;
        delivery.ack();
    }
    while low < 2000 {
        next(&mut arrivals).await.ack();
        low += 1;
    }
}
