//! A stranger who may publish to our exchanges, and publishes anything: each message arrives as what it can
//! be taken for, or is put aside with a reason; none costs the connection, or the next message.

mod bodies;
mod flood;
mod headers;
mod message;
mod properties;

use algedonic_amqp::{Amqp, AmqpConfig, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, ErrorKind, Transport};
use futures_util::StreamExt;

use crate::{
    raw::Raw,
    support::{arrives, blocking, config, confirmed, message, prefix_of, receive, soon, up},
};

use self::message::Comes::{Aside, Out};

async fn publish_and_look(config: AmqpConfig) {
    let config = config.queue("q");
    let exchange = format!("{}.events", prefix_of(&config));
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut raw = Raw::open(&url, 131_072).await;
    for case in [
        properties::odd_properties(),
        headers::odd_headers(),
        bodies::odd_bodies(),
    ]
    .into_iter()
    .flatten()
    {
        let name = case.name;
        raw.publish(&exchange, b"some.key", &case.properties, &case.body)
            .await;
        match (soon(name, arrivals.next()).await, case.comes) {
            (Some(Arrival::Message(delivery)), Out(is)) => {
                assert!(is(delivery.message()), "{name}: {:?}", delivery.message());
                assert_eq!(
                    (delivery.attempt(), delivery.is_redelivered()),
                    (1, false),
                    "{name}"
                );
                delivery.ack();
            }
            (Some(Arrival::Malformed(error)), Aside(words)) => {
                let known = [
                    ErrorKind::Malformed,
                    ErrorKind::Unsupported,
                    ErrorKind::TooLarge,
                ];
                assert!(
                    known.contains(&error.kind()) && !error.is_transient(),
                    "{name}: {error:?}"
                );
                let text = error.to_string();
                assert!(text.contains(words), "{name}: {text}");
                assert!(!text.contains(char::is_control), "{name}: {text:?}");
            }
            (arrival, Out(_)) => panic!("{name} should arrive: {arrival:?}"),
            (arrival, Aside(words)) => panic!("{name} should be put aside, {words}: {arrival:?}"),
        }
    }
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1);
}

#[tokio::test]
async fn whatever_a_stranger_publishes_arrives_or_is_put_aside() {
    publish_and_look(config().await).await;
}

#[tokio::test]
async fn so_it_does_from_a_classic_queue() {
    publish_and_look(config().await.queue_type(QueueType::Classic)).await;
}
