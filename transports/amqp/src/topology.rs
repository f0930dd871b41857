//! Which exchange, queues and bindings does an instance have on the broker?
//!
//! All names are of our choosing and all is durable, so that it can be declared again, unchanged,
//! on every connection. It is declared on a channel of its own: an error closes that channel, and
//! would take with it whatever else was on it.

use algedonic_transport::{Error, Lane, Pattern};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use tokio::time::timeout;

use crate::{
    AmqpConfig,
    connect::Session,
    error::{During, classify, timed_out},
    supervisor::LANES,
};

const MINUTE: i64 = 60_000;
const HALF_AN_HOUR: i64 = 30 * MINUTE;
const WEEK: i64 = 7 * 24 * 60 * MINUTE;
const DEAD_LETTERS: i64 = 100_000;

/// The exchange that this lane of every instance with this prefix publishes to. One for each lane:
/// whatever the keys, nothing of one lane gets into a queue of the other.
pub(crate) fn exchange(config: &AmqpConfig, lane: Lane) -> ShortString {
    name(&[&config.prefix, &lane.to_string()])
}

/// The queue of one lane of this instance.
pub(crate) fn queue(config: &AmqpConfig, lane: Lane) -> ShortString {
    name(&[&config.prefix, &config.queue, &lane.to_string()])
}

/// The queue of what this instance could not read or use of one lane (requirement 0.14).
pub(crate) fn dead_letter_queue(config: &AmqpConfig, lane: Lane) -> ShortString {
    name(&[&config.prefix, &config.queue, &lane.to_string(), "dlq"])
}

fn name(parts: &[&str]) -> ShortString {
    // Prefix and queue have at most 100 bytes each.
    ShortString::try_new(parts.join(".")).expect("checked by AmqpConfig::validate")
}

/// Declares the exchanges.
pub(crate) async fn declare_exchanges(session: &Session, config: &AmqpConfig) -> Result<(), Error> {
    let channel = session.channel().await?;
    for lane in LANES {
        declare_exchange(&channel, config, lane).await?;
    }
    finish(&channel, config).await
}

/// Declares the exchange, the queue of `lane`, its dead letter queue, and the bindings.
pub(crate) async fn declare_lane(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
) -> Result<(), Error> {
    let channel = session.channel().await?;
    declare_exchange(&channel, config, lane).await?;
    declare_queues(&channel, config, lane).await?;
    for pattern in interest {
        bind(&channel, config, lane, pattern).await?;
    }
    finish(&channel, config).await
}

async fn finish(channel: &Channel, config: &AmqpConfig) -> Result<(), Error> {
    step(config, "closing a channel", channel.close(200, "OK".into())).await
}

async fn declare_exchange(channel: &Channel, config: &AmqpConfig, lane: Lane) -> Result<(), Error> {
    let exchange = exchange(config, lane);
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    step(
        config,
        &format!("exchange {exchange}"),
        channel.exchange_declare(
            exchange.clone(),
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        ),
    )
    .await
}

async fn declare_queues(channel: &Channel, config: &AmqpConfig, lane: Lane) -> Result<(), Error> {
    let dead = dead_letter_queue(config, lane);
    let mut arguments = arguments(config, 2 * HALF_AN_HOUR);
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(WEEK));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(DEAD_LETTERS));
    declare_queue(channel, config, &dead, arguments).await?;

    let queue = queue(config, lane);
    let mut arguments = self::arguments(config, HALF_AN_HOUR);
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(dead.as_str()));
    declare_queue(channel, config, &queue, arguments).await
}

async fn bind(
    channel: &Channel,
    config: &AmqpConfig,
    lane: Lane,
    pattern: &Pattern,
) -> Result<(), Error> {
    let queue = queue(config, lane);
    step(
        config,
        &format!("binding of queue {queue} to {pattern}"),
        channel.queue_bind(
            queue.clone(),
            exchange(config, lane),
            key(pattern),
            QueueBindOptions::default(),
            FieldTable::default(),
        ),
    )
    .await
}

fn key(pattern: &Pattern) -> ShortString {
    ShortString::try_new(pattern.as_str()).expect("a pattern has at most 255 bytes")
}

fn arguments(config: &AmqpConfig, expires: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text(config.queue_type.as_str()));
    if config.anonymous {
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(expires));
    }
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

async fn declare_queue(
    channel: &Channel,
    config: &AmqpConfig,
    queue: &ShortString,
    arguments: FieldTable,
) -> Result<(), Error> {
    let options = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(queue.clone(), options, arguments);
    step(config, &format!("queue {queue}"), async {
        declared.await.map(|_| ())
    })
    .await
}

async fn step(
    config: &AmqpConfig,
    subject: &str,
    operation: impl Future<Output = lapin::Result<()>>,
) -> Result<(), Error> {
    match timeout(config.connect_timeout, operation).await {
        Ok(result) => result.map_err(|error| classify(During::Declare, subject, &error)),
        Err(_) => Err(timed_out(During::Declare, subject, config.connect_timeout)),
    }
}
