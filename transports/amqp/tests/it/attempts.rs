//! How often one message is tried, and how that ends.

use algedonic_amqp::{Amqp, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, Delivery, ErrorKind};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::AMQPValue,
};

use crate::{
    dead_letters::{header_of, headers_of, id_of, letter},
    support::{blocking, config, confirmed, message, next, operator, prefix_of, receive, soon, up},
};

async fn attempts_on(kind: QueueType) {
    let config = config().await.queue("q").queue_type(kind).max_attempts(4);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let poison = confirmed(&amqp, message("a")).await;
    for attempt in 1..=4 {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.attempt(), attempt);
        assert_eq!(delivery.is_redelivered(), attempt > 1);
        delivery.requeue();
    }
    match soon("an arrival", arrivals.next()).await {
        Some(Arrival::Malformed(error)) => {
            assert_eq!(error.kind(), ErrorKind::Unexpected);
            assert!(error.to_string().contains("4 times"), "{error}");
        }
        other => panic!("expected the end of it, not {other:?}"),
    }
    let (_connection, channel) = operator(&url).await;
    let letter = letter(&channel, &format!("{prefix}.q.events.dlq")).await;
    assert_eq!(id_of(&letter), poison.to_string());
    assert_eq!(header_of(&letter, "algedonic-reason"), "attempts");
    let attempts = headers_of(&letter).inner().get("algedonic-attempts");
    assert_eq!(attempts, Some(&AMQPValue::LongLongInt(5)));
    // The next message is at its first attempt.
    confirmed(&amqp, message("a")).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.attempt(), 1);
    delivery.ack();
}

#[tokio::test]
async fn attempts_are_counted_on_a_quorum_queue_and_have_an_end() {
    attempts_on(QueueType::Quorum).await;
}

#[tokio::test]
async fn attempts_are_counted_on_a_classic_queue_and_have_an_end() {
    attempts_on(QueueType::Classic).await;
}

/// Publishes for another client: without an id, or with one that others have too.
async fn foreign(channel: &Channel, prefix: &str, id: Option<&str>) {
    let mut properties = BasicProperties::default().with_type("foreign".into());
    if let Some(id) = id {
        properties = properties.with_message_id(id.into());
    }
    let options = BasicPublishOptions::default();
    let exchange = format!("{prefix}.events");
    let sent = channel.basic_publish(
        exchange.as_str().into(),
        "a".into(),
        options,
        b"x",
        properties,
    );
    let confirm = soon("sent", sent).await.expect("sent").await;
    assert_eq!(confirm.expect("confirmed"), Confirmation::Ack(None));
}

async fn attempts_without_an_id_on(kind: QueueType) {
    let config = config().await.queue("q").queue_type(kind).max_attempts(4);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    soon("confirms", confirms).await.expect("selected");
    foreign(&channel, &prefix, None).await;
    for attempt in 1..=4 {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.attempt(), attempt);
        delivery.requeue();
    }
    let end = soon("an arrival", arrivals.next()).await;
    assert!(matches!(end, Some(Arrival::Malformed(_))), "{end:?}");
    let letter = letter(&channel, &format!("{prefix}.q.events.dlq")).await;
    assert_eq!(header_of(&letter, "algedonic-reason"), "attempts");
    assert!(!header_of(&letter, "algedonic-letter").is_empty());
}

#[tokio::test]
async fn attempts_at_a_message_without_an_id_have_an_end_on_a_quorum_queue() {
    attempts_without_an_id_on(QueueType::Quorum).await;
}

#[tokio::test]
async fn attempts_at_a_message_without_an_id_have_an_end_on_a_classic_queue() {
    attempts_without_an_id_on(QueueType::Classic).await;
}

/// Ids that are not unique: what came once each is not taken for one that came many times.
#[tokio::test]
async fn messages_that_share_an_id_do_not_share_their_attempts() {
    let config = config()
        .await
        .queue("q")
        .queue_type(QueueType::Classic)
        .max_attempts(3);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    soon("confirms", confirms).await.expect("selected");
    for _ in 0..10 {
        foreign(&channel, &prefix, Some("1")).await;
    }
    for attempt in 1..=3 {
        let mut held = Vec::new();
        for _ in 0..10 {
            held.push(next(&mut arrivals).await);
        }
        let attempts: Vec<_> = held.iter().map(Delivery::attempt).collect();
        assert_eq!(attempts, [attempt; 10]);
        drop(held);
    }
}
