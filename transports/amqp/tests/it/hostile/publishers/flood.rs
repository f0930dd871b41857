//! So many messages that what is kept of each would be seen.

use algedonic_amqp::Amqp;
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, Transport};
use futures_util::StreamExt;
use lapin::{BasicProperties, options::BasicPublishOptions};

use crate::{
    dead_letters::waiting,
    hostile::case::resident,
    support::{
        alone, arrives, blocking, config, confirmed, eventually, is_alone, message, operator,
        prefix_of, receive, soon, up,
    },
};

#[test]
fn a_flood_of_what_cannot_be_read_costs_time_and_no_memory() {
    flood(
        "a_flood_of_what_cannot_be_read_costs_time_and_no_memory",
        30_000,
    );
}

#[test]
#[ignore = "takes minutes"]
fn a_million_small_messages_cost_time_and_no_memory() {
    flood(
        "a_million_small_messages_cost_time_and_no_memory",
        1_000_000,
    );
}

fn flood(test: &str, messages: u32) {
    if !is_alone() {
        print!(
            "{}",
            alone(&format!("hostile::publishers::flood::{test}"), &[])
        );
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("started");
    runtime.block_on(flooded(messages));
}

/// Every second is a message of no type, and the others have no use for anybody.
async fn flooded(messages: u32) {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let exchange = format!("{prefix}.events");
    let flood = tokio::spawn(async move {
        for number in 0..messages {
            let properties = BasicProperties::default();
            let properties = if number % 2 == 0 {
                properties
            } else {
                properties.with_type("a".into())
            };
            let options = BasicPublishOptions::default();
            let sent = channel.basic_publish(
                exchange.as_str().into(),
                "a".into(),
                options,
                b"x",
                properties,
            );
            sent.await.expect("open");
        }
    });
    let (mut good, mut bad) = (0, 0);
    while good + bad < messages {
        match soon("an arrival", arrivals.next()).await {
            Some(Arrival::Message(delivery)) => {
                good += 1;
                delivery.ack();
            }
            Some(Arrival::Malformed(_)) => bad += 1,
            other => panic!("{other:?}"),
        }
    }
    flood.await.expect("all sent");
    assert_eq!((good, bad), (messages / 2, messages / 2));
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
    assert_eq!(amqp.link().connects, 1);
    let memory = resident() >> 20;
    println!("{messages} messages, {memory} MiB at most");
    assert!(memory < 150, "{memory} MiB");
    // The dead letters are there, the latest 100,000 of them; what was read is not.
    let (_connection, channel) = operator(&url).await;
    eventually("nothing is left", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
    let dead = waiting(&channel, &format!("{prefix}.q.events.dlq")).await;
    assert_eq!(dead, bad.min(100_000));
}
