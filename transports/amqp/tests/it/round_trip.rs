use std::time::{Duration, SystemTime};

use algedonic_amqp::Amqp;
use algedonic_transport::{
    Arrival, CorrelationId, ErrorKind, EventId, Key, Lane, Outcome, Pattern, Priority,
    TraceContext, Transport,
};
use futures_util::{StreamExt, future::join_all};
use lapin::{
    BasicProperties,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};

use crate::support::{
    arrives, config, confirmed, everything, message, next, operator, prefix_of, receive, signal,
    soon, up,
};

#[tokio::test]
async fn everything_about_a_message_arrives() {
    let amqp = Amqp::new(config().await).expect("started");
    let mut signals = amqp
        .receive(Lane::Signal, everything())
        .expect("first call");
    up(&amqp).await;
    let mut sent = message("algedonic.pain.high");
    sent.lane = Lane::Signal;
    sent.content_type = "application/cbor".into();
    sent.metadata.version = 3;
    sent.metadata.name = Key::from_static("algedonic.pain");
    sent.metadata.correlation = CorrelationId::from_text("order/7");
    sent.metadata.causation = Some(EventId::new());
    sent.metadata.priority = Priority::new(8);
    sent.metadata.trace = Some(TraceContext {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        state: Some("vendor=value".into()),
    });
    sent.metadata.expires = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000));
    // The wire has microseconds.
    let micros = sent
        .metadata
        .time
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("now");
    sent.metadata.time = SystemTime::UNIX_EPOCH
        + Duration::from_micros(u64::try_from(micros.as_micros()).expect("fits"));

    assert_eq!(
        soon("outcome", amqp.send(sent.clone()))
            .await
            .expect("sent"),
        Outcome::Confirmed
    );
    let delivery = next(&mut signals).await;
    let back = delivery.message();
    assert_eq!(back.metadata, sent.metadata);
    assert_eq!(
        (&back.content_type, &back.body),
        (&sent.content_type, &sent.body)
    );
    assert!(back.persistent && back.lane == Lane::Signal && !delivery.is_redelivered());
    delivery.ack();
    soon("close", amqp.close(Duration::from_secs(5))).await;
}

/// What a client in another language sees of a signal, and relies on.
#[tokio::test]
async fn a_signal_on_the_wire_is_persistent_mandatory_and_says_how_urgent_it_is() {
    let config = config().await.audit(None);
    let exchange = format!("{}.signals", prefix_of(&config));
    let amqp = Amqp::new(config).expect("started");
    up(&amqp).await;
    let mut pain = signal("algedonic.pain.high");
    pain.metadata.name = Key::from_static("algedonic.pain");
    pain.metadata.priority = Priority::new(8);
    pain.metadata.expires = Some(SystemTime::now() + Duration::from_secs(3600));
    let unheard = soon("outcome", amqp.send(pain.clone())).await;
    assert_eq!(unheard.expect("sent"), Outcome::NotRouted);

    let (_connection, channel) = operator(&algedonic_test_broker::shared_url()).await;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = ShortString::from(format!("{exchange}.foreign"));
    let none = FieldTable::default;
    let declared = channel.queue_declare(queue.clone(), exclusive, none());
    soon("declared", declared).await.expect("ok");
    let options = QueueBindOptions::default();
    let bound = channel.queue_bind(
        queue.clone(),
        exchange.as_str().into(),
        "#".into(),
        options,
        none(),
    );
    soon("bound", bound).await.expect("ok");
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue, "".into(), options, none());
    let mut consumer = soon("consumer", consumer).await.expect("ok");

    let id = confirmed(&amqp, pain.clone()).await;
    let seen = soon("the signal", consumer.next()).await;
    let seen = seen.expect("open").expect("delivered");
    let properties = &seen.properties;
    assert_eq!(seen.exchange.as_str(), exchange);
    assert_eq!(seen.routing_key.as_str(), "algedonic.pain.high");
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert_eq!(properties.priority(), &Some(8));
    assert_eq!(
        properties.message_id().as_ref().map(ShortString::as_str),
        Some(id.to_string().as_str())
    );
    assert_eq!(properties.kind(), &Some("algedonic.pain".into()));
    assert_eq!(properties.content_type(), &Some("text/plain".into()));
    assert_eq!(properties.app_id(), &Some("test".into()));
    assert_eq!(properties.expiration(), &None);
    assert_eq!(seen.data, b"body");
}

/// The broker dead-letters what has expired by its own count; what is late is not poison.
#[tokio::test]
async fn what_expires_while_its_owner_is_away_is_no_dead_letter() {
    let config = config().await.queue("q");
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    drop(arrivals);
    soon("close", owner.close(Duration::from_secs(5))).await;

    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    let mut late = message("a");
    let expires = SystemTime::now() + Duration::from_millis(50);
    late.metadata.expires = Some(expires);
    let sent = confirmed(&sender, late).await;
    while SystemTime::now() < expires + Duration::from_millis(50) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let owner = Amqp::new(config).expect("started");
    let mut arrivals = receive(&owner);
    arrives(&mut arrivals, sent).await;
}

#[tokio::test]
async fn order_is_kept_and_acks_are_final() {
    let config = config().await.queue("owner").prefetch(20);
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent: Vec<_> = (0..500).map(|_| message("a.b")).collect();
    let outcomes = join_all(sent.iter().map(|message| amqp.send(message.clone())));
    for outcome in soon("outcomes", outcomes).await {
        assert_eq!(outcome.expect("sent"), Outcome::Confirmed);
    }
    for message in &sent {
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, message.metadata.id);
        delivery.ack();
    }
    soon("close", amqp.close(Duration::from_secs(5))).await;
    assert!(arrivals.next().await.is_none());

    // The next owner of the queue finds nothing but what is new.
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let last = message("a.b");
    soon("outcome", amqp.send(last.clone()))
        .await
        .expect("sent");
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().metadata.id, last.metadata.id);
    assert!(!delivery.is_redelivered());
}

#[tokio::test]
async fn what_nobody_wants_is_not_routed() {
    let amqp = Amqp::new(config().await).expect("started");
    let interest = vec![Pattern::new("wanted.*").expect("a pattern")];
    let mut arrivals = amqp.receive(Lane::Event, interest).expect("first call");
    up(&amqp).await;
    let unwanted = amqp.send(message("unwanted.a"));
    let wanted = amqp.send(message("wanted.a"));
    assert_eq!(
        soon("outcome", unwanted).await.expect("sent"),
        Outcome::NotRouted
    );
    assert_eq!(
        soon("outcome", wanted).await.expect("sent"),
        Outcome::Confirmed
    );
    assert_eq!(next(&mut arrivals).await.message().metadata.key, "wanted.a");
}

#[tokio::test]
async fn what_is_given_back_comes_again_and_what_is_put_aside_does_not() {
    let config = config().await.queue("q");
    let url = algedonic_test_broker::shared_url();
    let dead = dead_letters(&config);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let sent = message("a");
    soon("outcome", amqp.send(sent.clone()))
        .await
        .expect("sent");
    drop(next(&mut arrivals).await);
    let again = next(&mut arrivals).await;
    assert!(again.is_redelivered());
    assert_eq!(again.message().metadata.id, sent.metadata.id);
    again.dead_letter();
    let (_connection, channel) = operator(&url).await;
    assert_eq!(
        dead_letter(&channel, &dead).await,
        sent.metadata.id.to_string()
    );
}

#[tokio::test]
async fn garbage_is_put_aside_and_reported_and_the_next_message_comes() {
    let config = config().await.queue("q").max_body_bytes(1000);
    let prefix = prefix_of(&config);
    let dead = dead_letters(&config);
    let url = algedonic_test_broker::shared_url();
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let (_connection, channel) = operator(&url).await;
    let publish = async |properties: BasicProperties, body: &[u8]| {
        let exchange = ShortString::from(format!("{prefix}.events"));
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish(exchange, "a".into(), options, body, properties);
        soon("published", sent).await.expect("published");
    };
    publish(
        BasicProperties::default().with_message_id("no type".into()),
        b"x",
    )
    .await;
    let typed = BasicProperties::default().with_type("a".into());
    publish(
        typed.clone().with_message_id("too large".into()),
        &[0; 1001],
    )
    .await;
    publish(typed.with_message_id("good".into()), b"good").await;
    for kind in [ErrorKind::Malformed, ErrorKind::TooLarge] {
        match soon("an arrival", arrivals.next()).await {
            Some(Arrival::Malformed(error)) => assert_eq!(error.kind(), kind, "{error}"),
            other => panic!("expected a malformed message, not {other:?}"),
        }
    }
    let good = next(&mut arrivals).await;
    assert_eq!(good.message().metadata.id, EventId::from_foreign("good"));
    assert_eq!(dead_letter(&channel, &dead).await, "no type");
    assert_eq!(dead_letter(&channel, &dead).await, "too large");
}

/// The queue of dead letters that goes with these settings.
fn dead_letters(config: &algedonic_amqp::AmqpConfig) -> String {
    format!("{}.q.events.dlq", prefix_of(config))
}

/// The message id of the next dead letter.
async fn dead_letter(channel: &lapin::Channel, queue: &str) -> String {
    soon("a dead letter", async {
        loop {
            let got = channel
                .basic_get(queue.into(), BasicGetOptions { no_ack: true })
                .await;
            if let Some(message) = got.expect("the queue is there") {
                let id = message.delivery.properties.message_id().clone();
                return id.expect("sent with one").to_string();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test]
async fn two_instances_hear_each_other_and_both_lanes_keep_apart() {
    let config = config().await;
    let (left, right) = (
        Amqp::new(config.clone().queue("left")),
        Amqp::new(config.queue("right")),
    );
    let (left, right) = (left.expect("started"), right.expect("started"));
    let mut events = receive(&right);
    let interest = vec![Pattern::new("algedonic.#").expect("a pattern")];
    let mut signals = right.receive(Lane::Signal, interest).expect("first call");
    up(&left).await;
    up(&right).await;
    let mut signal = message("algedonic.pain");
    signal.lane = Lane::Signal;
    assert_eq!(
        soon("outcome", left.send(signal)).await.expect("sent"),
        Outcome::Confirmed
    );
    let delivery = next(&mut signals).await;
    assert_eq!(delivery.message().lane, Lane::Signal);
    delivery.ack();
    // The event lane, whose pattern selects that key as well, gets only what was sent on it.
    let event = message("algedonic.pain");
    let sent = left.send(event.clone());
    assert_eq!(
        soon("outcome", sent).await.expect("sent"),
        Outcome::Confirmed
    );
    let delivery = next(&mut events).await;
    assert_eq!(delivery.message().metadata.id, event.metadata.id);
}

#[tokio::test]
async fn receiving_may_begin_while_the_link_is_up_and_end_before_it_is_down() {
    let amqp = Amqp::new(config().await).expect("started");
    up(&amqp).await;
    let mut arrivals = receive(&amqp);
    assert!(
        !amqp.link().is_up(),
        "the broker cannot know the interest yet"
    );
    up(&amqp).await;
    let sent = amqp.send(message("a"));
    assert_eq!(
        soon("outcome", sent).await.expect("sent"),
        Outcome::Confirmed
    );
    next(&mut arrivals).await.ack();
    assert_eq!(
        amqp.receive(Lane::Event, everything())
            .err()
            .map(|error| error.kind()),
        Some(ErrorKind::Misconfigured)
    );
    drop(arrivals);
    up(&amqp).await;
}
