//! What RabbitMQ does differently from version to version: that we do not depend on it, or go by it.

use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig, CommandQueue, Purpose, QueueType};
use algedonic_test_broker::{shared_url, shared_version};
use algedonic_transport::{Lane, Priority, Transport};
use futures_util::StreamExt;
use lapin::{
    BasicProperties, Channel, Confirmation,
    options::{
        BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::{
    dead_letters::{letter, waiting},
    support::{
        arrives, blocking, config, config_of, confirmed, ctl, eventually, message, next, node,
        operator, receive, receive_on, soon, up,
    },
};

const HOUR: Duration = Duration::from_secs(3600);

/// Whether the shared broker is of the series 4 or later.
async fn is_4() -> bool {
    let version = blocking(shared_version).await;
    let major = version.split('.').next().expect("a version");
    major.parse::<u32>().expect("a number") >= 4
}

/// Named and not, of both kinds, with all that can be set.
fn every_kind(config: impl Fn() -> AmqpConfig) -> Vec<(AmqpConfig, &'static [Lane])> {
    let mut all = Vec::new();
    for kind in [QueueType::Quorum, QueueType::Classic] {
        let config = config().queue_type(kind).message_ttl(Some(HOUR));
        let config = config.max_length(Some(1000));
        let commands = CommandQueue::new().message_ttl(Some(HOUR));
        let named = config.clone().queue(format!("{kind:?}"));
        all.push((
            named.commands(commands.max_length(Some(1000))),
            &Lane::ALL[..],
        ));
        all.push((config, &[Lane::Event, Lane::Signal]));
    }
    all
}

/// Every queue of every lane is one that no version refuses, and nothing is used that a version has deprecated: queues
/// that are neither durable nor exclusive, a prefetch of a whole channel, and the rest of its list.
#[tokio::test(flavor = "multi_thread")]
async fn every_lane_is_declared_and_used_without_anything_deprecated() {
    let node = node().await;
    let all = every_kind(|| config_of(&node));
    for (config, lanes) in &all {
        let amqp = Amqp::new(config.clone()).expect("started");
        let mut inboxes: Vec<_> = lanes.iter().map(|lane| receive_on(&amqp, *lane)).collect();
        up(&amqp).await;
        for (inbox, lane) in inboxes.iter_mut().zip(*lanes) {
            let mut sent = message("a.b");
            sent.lane = *lane;
            confirmed(&amqp, sent.clone()).await;
            // So that there is a connection of each kind.
            next(inbox).await.dead_letter_because("to be kept");
            let id = confirmed(&amqp, sent).await;
            arrives(inbox, id).await;
        }
        soon("close", amqp.close(Duration::from_secs(5))).await;
        // The same once more is no mismatch.
        let again = Amqp::new(config.clone()).expect("started");
        let _inboxes: Vec<_> = lanes.iter().map(|lane| receive_on(&again, *lane)).collect();
        up(&again).await;
    }
    let columns = ["list_queues", "durable", "auto_delete", "exclusive"];
    let queues = ctl(&node, &columns).await;
    let queues: Vec<_> = queues.lines().collect();
    // Each lane with its dead letters, signals with one for each level; and the audit queue of all.
    let (named, nameless) = (2 + 5 + 2, 2 + 5);
    assert_eq!(queues.len(), 2 * (named + nameless + 1), "{queues:?}");
    for queue in queues {
        // 3.10 leaves the last one empty.
        assert_eq!(queue.trim_end_matches("false"), "true\tfalse\t");
    }
    let exchanges = ctl(&node, &["list_exchanges", "name", "type", "durable"]).await;
    for purpose in [".events\t", ".signals\t", ".commands\t"] {
        let ours = exchanges.lines().find(|line| line.contains(purpose));
        assert!(
            ours.is_some_and(|line| line.ends_with("\ttopic\ttrue")),
            "{exchanges}"
        );
    }
    if !node.version().starts_with("3.") {
        let used = "maps:keys(rabbit_deprecated_features:list(used)).";
        assert_eq!(ctl(&node, &["eval", used]).await.trim(), "[]");
    }
}

/// From 4.0 on a quorum queue gives up a message after 20 deliveries, unless it says otherwise; before, never.
#[tokio::test]
async fn a_message_comes_more_often_than_a_quorum_queue_allows_by_default() {
    let patient = CommandQueue::new().max_attempts(100);
    let config = config().await.queue("q").commands(patient);
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut inboxes = Lane::ALL.map(|lane| receive_on(&amqp, lane));
    up(&amqp).await;
    for (inbox, lane) in inboxes.iter_mut().zip(Lane::ALL) {
        let mut sent = message("a");
        sent.lane = lane;
        confirmed(&amqp, sent).await;
        for attempt in 1..=30 {
            let delivery = next(inbox).await;
            assert_eq!(delivery.attempt(), attempt, "{lane}");
            delivery.requeue();
        }
        next(inbox).await.ack();
    }
}

/// Up to 3.13 a quorum queue knows no priority; from 4.0 on those above 4 overtake the others.
#[tokio::test]
async fn messages_of_one_priority_keep_their_order_on_every_version() {
    let config = config().await.queue("q");
    let owner = Amqp::new(config.clone()).expect("started");
    let arrivals = receive(&owner);
    up(&owner).await;
    soon("close", owner.close(Duration::from_secs(5))).await;
    drop(arrivals);
    let sender = Amqp::new(config.clone().queue("sender")).expect("started");
    up(&sender).await;
    let mut sent = Vec::new();
    for number in 0..60 {
        let mut message = message("a");
        message.metadata.priority = if number < 30 {
            Priority::NORMAL
        } else {
            Priority::MAX
        };
        sent.push((message.metadata.priority, confirmed(&sender, message).await));
    }
    let owner = Amqp::new(config).expect("started");
    let mut arrivals = receive(&owner);
    let mut came = Vec::new();
    for _ in 0..60 {
        let delivery = next(&mut arrivals).await;
        let metadata = &delivery.message().metadata;
        came.push((metadata.priority, metadata.id));
        delivery.ack();
    }
    let of = |all: &[(Priority, _)], priority| {
        let one = all.iter().filter(move |(is, _)| *is == priority);
        one.copied().collect::<Vec<_>>()
    };
    for priority in [Priority::NORMAL, Priority::MAX] {
        assert_eq!(of(&came, priority), of(&sent, priority));
    }
    assert_eq!(came != sent, is_4().await, "{came:?}");
}

/// RabbitMQ 4 takes no message above 16 MiB, which is the most that can be set here.
#[tokio::test]
async fn the_largest_body_that_can_be_set_is_taken() {
    let most = 16 * 1024 * 1024;
    let config = config().await.max_body_bytes(most);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut large = message("a");
    large.body = vec![7; most].into();
    confirmed(&amqp, large).await;
    let delivery = next(&mut arrivals).await;
    assert_eq!(delivery.message().body.len(), most);
    delivery.ack();
}

/// Up to 3.13 the header `x-death` of a message that a client publishes counts as its own; from 4.0 on not. What an
/// operator gives back begins anew on each.
#[tokio::test]
async fn a_dead_letter_that_is_given_back_by_hand_begins_anew() {
    let short = CommandQueue::new().message_ttl(Some(Duration::from_secs(1)));
    let config = config().await.queue("q").commands(short);
    let amqp = Amqp::new(config.clone()).expect("started");
    let commands = receive_on(&amqp, Lane::Command);
    up(&amqp).await;
    soon("close", amqp.close(Duration::from_secs(5))).await;
    drop(commands);
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut sent = message("a");
    sent.lane = Lane::Command;
    let id = confirmed(&amqp, sent).await;
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let letters = config.dead_letter_queue_name(Purpose::Commands);
    let exchange = config.exchange_name(Purpose::Commands);
    let mut commands = None;
    for deaths in 1..=3 {
        let letter = letter(&channel, &letters).await;
        if deaths == 3 {
            commands = Some(receive_on(&amqp, Lane::Command));
            up(&amqp).await;
        }
        let headers = letter.properties.headers().as_ref().expect("headers");
        assert!(headers.inner().contains_key("x-death"), "death {deaths}");
        let publish = channel.basic_publish(
            exchange.as_str().into(),
            "a".into(),
            BasicPublishOptions::default(),
            &letter.data,
            letter.properties.clone(),
        );
        soon("published", publish).await.expect("published");
    }
    let mut commands = commands.expect("received at the last");
    let delivery = next(&mut commands).await;
    assert_eq!(delivery.message().metadata.id, id);
    assert_eq!((delivery.attempt(), delivery.is_redelivered()), (1, false));
    delivery.ack();
}

/// Why what is declared is checked here first.
#[tokio::test]
async fn what_a_broker_does_not_understand_it_takes_without_a_word() {
    let prefix = config().await.queue_name(Purpose::Events);
    let (connection, _channel) = operator(&blocking(shared_url).await).await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    for argument in ["x-no-such-thing", "x-max-lenght"] {
        let channel = soon("a channel", connection.create_channel()).await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text("quorum"));
        arguments.insert(argument.into(), AMQPValue::LongLongInt(1));
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let name = format!("{prefix}.{argument}");
        let channel = channel.expect("connected");
        let declared = channel.queue_declare(name.as_str().into(), durable, arguments);
        soon("declared", declared).await.expect(argument);
    }
}

async fn reply(channel: &Channel, to: &str, mandatory: bool) -> Confirmation {
    let options = BasicPublishOptions {
        mandatory,
        ..BasicPublishOptions::default()
    };
    let publish = channel.basic_publish(
        "".into(),
        to.into(),
        options,
        b"reply",
        BasicProperties::default(),
    );
    let confirm = soon("published", publish).await.expect("published");
    soon("a confirm", confirm).await.expect("an answer")
}

/// What replies go by (requirement 2.06) needs nothing declared. Published as mandatory, a reply is returned by 3.10.8
/// and by 4.0.5, though it arrives: replies are published without.
#[tokio::test]
async fn a_reply_arrives_though_nothing_is_declared_for_it() {
    let queue = config().await.queue_name(Purpose::Events);
    let url = blocking(shared_url).await;
    let (_asks, asking) = operator(&url).await;
    let (_answers, answering) = operator(&url).await;
    let declared = asking.queue_declare(
        queue.as_str().into(),
        QueueDeclareOptions {
            exclusive: false,
            durable: true,
            ..QueueDeclareOptions::default()
        },
        FieldTable::default(),
    );
    soon("declared", declared).await.expect("ok");
    let no_ack = BasicConsumeOptions {
        no_ack: true,
        ..BasicConsumeOptions::default()
    };
    let replies = asking.basic_consume(
        "amq.rabbitmq.reply-to".into(),
        "".into(),
        no_ack,
        FieldTable::default(),
    );
    let mut replies = soon("replies", replies).await.expect("nothing declared");
    let request = asking.basic_publish(
        "".into(),
        queue.as_str().into(),
        BasicPublishOptions::default(),
        b"request",
        BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into()),
    );
    soon("published", request).await.expect("published");
    eventually("the request is there", async || {
        waiting(&answering, &queue).await == 1
    })
    .await;
    let got = answering.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true });
    let request = soon("the request", got).await.expect("ok").expect("there");
    let to = request.properties.reply_to().as_ref().expect("an address");
    assert!(to.as_str().starts_with("amq.rabbitmq.reply-to."), "{to}");
    let confirms = answering.confirm_select(ConfirmSelectOptions::default());
    soon("confirms", confirms).await.expect("ok");
    for mandatory in [false, true] {
        let confirmation = reply(&answering, to.as_str(), mandatory).await;
        let returned = matches!(confirmation, Confirmation::Ack(Some(_)));
        assert!(mandatory || !returned);
        let arrived = soon("the reply", replies.next()).await;
        let arrived = arrived.expect("open").expect("a reply");
        assert_eq!(arrived.data, b"reply");
    }
}
