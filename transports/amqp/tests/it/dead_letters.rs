//! Dead letters: the reason, the order, and what happens when they cannot be published.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use algedonic_amqp::Amqp;
use algedonic_test_broker::shared_url;
use algedonic_transport::{Lane, Transport};
use futures_util::future::join_all;
use lapin::{
    Channel,
    message::Delivery,
    options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::support::{
    blocking, command, config, config_of, confirmed, ctl, eventually, message, next, node,
    operator, prefix_of, receive, receive_on, signal, soon, up,
};

/// Takes the next message out of `queue`.
pub(crate) async fn letter(channel: &Channel, queue: &str) -> Delivery {
    soon("a dead letter", async {
        loop {
            let options = BasicGetOptions { no_ack: true };
            let got = channel.basic_get(queue.into(), options).await;
            if let Some(message) = got.expect("the queue is there") {
                return message.delivery;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// How many messages wait in `queue`.
pub(crate) async fn waiting(channel: &Channel, queue: &str) -> u32 {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.into(), options, FieldTable::default());
    soon("declared", declared)
        .await
        .expect("it is there")
        .message_count()
}

pub(crate) fn headers_of(letter: &Delivery) -> &FieldTable {
    letter.properties.headers().as_ref().expect("headers")
}

/// A text among the headers.
pub(crate) fn header_of(letter: &Delivery, name: &str) -> String {
    match headers_of(letter).inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

pub(crate) fn id_of(letter: &Delivery) -> String {
    let id = letter.properties.message_id().as_ref();
    id.map(ShortString::to_string).expect("an id")
}

#[tokio::test]
async fn a_dead_letter_says_why_where_it_came_from_and_when() {
    let config = config().await.queue("q");
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut inboxes = Lane::ALL.map(|lane| receive_on(&amqp, lane));
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let all = [message("a.b"), signal("a.b"), command("a.b")];
    for (sent, arrivals) in all.into_iter().zip(&mut inboxes) {
        let lane = sent.lane.to_string();
        let id = confirmed(&amqp, sent).await;
        drop(next(arrivals).await);
        let delivery = next(arrivals).await;
        assert_eq!(delivery.attempt(), 2);
        delivery.dead_letter_because("no such customer");
        let letter = letter(&channel, &format!("{prefix}.q.{lane}.dlq")).await;
        assert_eq!(id_of(&letter), id.to_string());
        assert_eq!(
            (letter.data.as_slice(), letter.properties.delivery_mode()),
            (&b"body"[..], &Some(2))
        );
        for (name, value) in [
            ("algedonic-reason", "unwanted"),
            ("algedonic-detail", "no such customer"),
            ("algedonic-exchange", &*format!("{prefix}.{lane}")),
            ("algedonic-key", "a.b"),
        ] {
            assert_eq!(header_of(&letter, name), value, "{name}");
        }
        let headers = headers_of(&letter).inner();
        assert_eq!(
            headers.get("algedonic-attempts"),
            Some(&AMQPValue::LongLongInt(2))
        );
        let Some(AMQPValue::LongLongInt(at)) = headers.get("algedonic-dead-at") else {
            panic!("{headers:?}");
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let age = i64::try_from(now.as_millis()).expect("fits") - at;
        assert!((0..60_000).contains(&age), "{age} ms");
        // What the message said of itself is there as well, and a transport would read it again.
        assert!(headers.contains_key("algedonic-origin") && !headers.contains_key("x-death"));
        // A key that ends with no level is in the last of four.
        let band = if lane == "signals" { ".low" } else { "" };
        let queue = format!("{prefix}.q.{lane}{band}");
        eventually("the original is gone", async || {
            waiting(&channel, &queue).await == 0
        })
        .await;
    }
}

#[tokio::test]
async fn dead_letters_keep_their_order_and_keep_nobody_waiting() {
    let config = config().await.queue("q").prefetch(8);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent: Vec<_> = (0..200).map(|_| message("a")).collect();
    let outcomes = join_all(sent.iter().map(|message| amqp.send(message.clone())));
    for outcome in soon("outcomes", outcomes).await {
        outcome.expect("sent");
    }
    let mut dead = Vec::new();
    for (index, sent) in sent.iter().enumerate() {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, sent.metadata.id);
        if index % 3 == 0 {
            dead.push(sent.metadata.id.to_string());
            delivery.dead_letter();
        } else {
            delivery.ack();
        }
    }
    // Closing waits for those that are on their way: the next owner finds an empty queue.
    soon("close", amqp.close(Duration::from_secs(5))).await;
    let (_connection, channel) = operator(&url).await;
    eventually("everything is settled", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
    for id in dead {
        let letter = letter(&channel, &format!("{prefix}.q.events.dlq")).await;
        assert_eq!(id_of(&letter), id);
        assert_eq!(header_of(&letter, "algedonic-detail"), "");
    }
    assert_eq!(
        waiting(&channel, &format!("{prefix}.q.events.dlq")).await,
        0
    );
}

/// Nothing is bound to take it: it must not stay, nor end the subscription.
#[tokio::test]
async fn without_its_queue_a_dead_letter_is_gone_and_the_rest_goes_on() {
    let config = config().await.queue("q").prefetch(2);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let dead = format!("{prefix}.q.events.dlq");
    let deleted = channel.queue_delete(dead.as_str().into(), QueueDeleteOptions::default());
    soon("deleted", deleted).await.expect("it was there");
    for _ in 0..3 {
        confirmed(&amqp, message("a")).await;
        next(&mut arrivals).await.dead_letter_because("no use");
    }
    let sent = confirmed(&amqp, message("a")).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, sent);
    delivery.ack();
    assert_eq!(amqp.link().connects, 1);
    soon("close", amqp.close(Duration::from_secs(5))).await;
    eventually("everything is settled", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
}

/// That connection is kept for a while; one that has ended meanwhile costs the next dead letter nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_after_its_connection_was_lost_says_why_as_well() {
    let node = node().await;
    let config = config_of(&node).queue("q");
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&node.url()).await;
    let queue = format!("{prefix}.q.events.dlq");
    for round in 0..3 {
        let id = confirmed(&amqp, message("a")).await;
        let why = format!("round {round}");
        next(&mut arrivals).await.dead_letter_because(&why);
        let letter = letter(&channel, &queue).await;
        assert_eq!(id_of(&letter), id.to_string());
        assert_eq!(header_of(&letter, "algedonic-detail"), why);
        let listed = ["list_connections", "pid", "client_properties"];
        let connections = ctl(&node, &listed).await;
        let mut lines = connections.lines();
        let buries = lines.find(|line| line.contains(" bury ")).expect("there");
        let pid = buries.split_whitespace().next().expect("first");
        ctl(&node, &["close_connection", pid, "test"]).await;
    }
    assert_eq!(amqp.link().connects, 1);
}

/// While it is low on memory the broker takes nothing from a connection that publishes.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_during_a_memory_alarm_keeps_no_ack_from_the_broker() {
    let node = node().await;
    let config = config_of(&node)
        .queue("q")
        .prefetch(4)
        .confirm_timeout(Duration::from_millis(500));
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..40 {
        confirmed(&amqp, message("a")).await;
    }
    ctl(&node, &["set_vm_memory_high_watermark", "0.000001"]).await;
    next(&mut arrivals).await.dead_letter_because("no use");
    for _ in 1..40 {
        next(&mut arrivals).await.ack();
    }
    ctl(&node, &["set_vm_memory_high_watermark", "0.4"]).await;
    let (_connection, channel) = operator(&node.url()).await;
    eventually("the dead letter", async || {
        waiting(&channel, &format!("{prefix}.q.events.dlq")).await >= 1
    })
    .await;
    soon("close", amqp.close(Duration::from_secs(5))).await;
    eventually("everything is settled", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
}
