//! Dead letters: the reason, the order, and what happens when they cannot be published.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use algedonic_amqp::{Amqp, QueueType};
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, Delivery as Delivered, ErrorKind, Lane, Transport};
use futures_util::{StreamExt, future::join_all};
use lapin::{
    BasicProperties, Channel, Confirmation,
    message::Delivery,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
        QueueDeleteOptions,
    },
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

fn id_of(letter: &Delivery) -> String {
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
        eventually("the original is gone", async || {
            waiting(&channel, &format!("{prefix}.q.{lane}")).await == 0
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

/// What is there at once is read at once, but no other task waits for the last of it.
#[tokio::test]
async fn a_reader_with_much_to_read_lets_other_tasks_go_on() {
    let config = config().await.queue("q").prefetch(1000);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..10 {
        let outcomes = join_all((0..100).map(|_| amqp.send(message("a"))));
        for outcome in soon("outcomes", outcomes).await {
            outcome.expect("sent");
        }
    }
    let (_connection, channel) = operator(&url).await;
    eventually("all are with us", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
    // On the same thread as the reader.
    let turns = Arc::new(AtomicU32::new(0));
    let counting = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let before = turns.load(Ordering::Relaxed);
    for _ in 0..1000 {
        // Without a deadline: its timer would take turns of its own.
        match arrivals.next().await {
            Some(Arrival::Message(delivery)) => delivery.ack(),
            other => panic!("expected a message, not {other:?}"),
        }
    }
    let turns = turns.load(Ordering::Relaxed) - before;
    assert!(turns >= 5, "{turns} turns");
    other.abort();
}

/// An application settles wherever it likes.
#[tokio::test]
async fn a_delivery_is_settled_from_a_thread_without_a_runtime() {
    let config = config().await.queue("q").prefetch(4);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..20 {
        confirmed(&amqp, message("a")).await;
    }
    for number in 0..20 {
        let delivery = next(&mut arrivals).await;
        let settled = std::thread::spawn(move || match number % 4 {
            0 => delivery.dead_letter_because("no use"),
            _ => delivery.ack(),
        });
        settled.join().expect("no panic");
    }
    soon("close", amqp.close(Duration::from_secs(5))).await;
    let (_connection, channel) = operator(&url).await;
    eventually("everything is settled", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
            && waiting(&channel, &format!("{prefix}.q.events.dlq")).await == 5
    })
    .await;
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
        let attempts: Vec<_> = held.iter().map(Delivered::attempt).collect();
        assert_eq!(attempts, [attempt; 10]);
        drop(held);
    }
}

/// The broker has no more with us than the prefetch allows, however slow we are.
#[tokio::test]
async fn a_slow_reader_holds_no_more_than_its_prefetch() {
    let config = config().await.queue("q").prefetch(7);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..50 {
        confirmed(&amqp, message("a")).await;
    }
    let (_connection, channel) = operator(&url).await;
    let queue = format!("{prefix}.q.events");
    eventually("seven are out", async || {
        waiting(&channel, &queue).await == 43
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(next(&mut arrivals).await);
    }
    assert!(futures_util::FutureExt::now_or_never(arrivals.next()).is_none());
    assert_eq!(waiting(&channel, &queue).await, 43);
    for delivery in held.drain(..2) {
        delivery.ack();
    }
    eventually("two more are out", async || {
        waiting(&channel, &queue).await == 41
    })
    .await;
}
