//! Which exchange, queues and bindings does an instance have on the broker?
//!
//! All names are of our choosing and all is durable, so that it can be declared again, unchanged,
//! on every connection. It is declared on a channel of its own: an error closes that channel, and
//! would take with it whatever else was on it.

use std::time::Duration;

use algedonic_transport::{Error, Lane, Pattern};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use tokio::time::sleep;

use crate::{
    AmqpConfig, QueueType,
    connect::{Deadline, Session},
    error::During,
};

const MINUTE: i64 = 60_000;
const HALF_AN_HOUR: i64 = 30 * MINUTE;
const WEEK: i64 = 7 * 24 * 60 * MINUTE;
/// After so many deliveries of one message a quorum queue dead-letters it.
const DELIVERY_LIMIT: i64 = 1000;
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

/// Declares the exchange of `lane`.
pub(crate) async fn declare_exchange(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    deadline: Deadline,
) -> Result<(), Error> {
    let topology = Topology::begin(session, config, lane, deadline).await?;
    topology.exchange().await?;
    topology.finish().await
}

/// Declares the exchange, the queue of `lane`, its dead letter queue, and the bindings.
pub(crate) async fn declare_lane(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
    deadline: Deadline,
) -> Result<(), Error> {
    let topology = Topology::begin(session, config, lane, deadline).await?;
    topology.exchange().await?;
    topology.queues().await?;
    for pattern in interest {
        topology.binding(pattern).await?;
    }
    topology.finish().await
}

/// How often is looked whether it is all still there: who deletes an exchange also deletes the bindings
/// to it of everybody, and nobody is told.
const CHECK: Duration = Duration::from_secs(30);

/// Declares the exchange of `lane` again and again, until that fails.
pub(crate) async fn keep_exchange(session: &Session, config: &AmqpConfig, lane: Lane) -> Error {
    loop {
        sleep(CHECK).await;
        let deadline = Deadline::within(config.connect_timeout);
        if let Err(error) = declare_exchange(session, config, lane, deadline).await {
            return error;
        }
    }
}

/// Declares what `lane` needs to receive again and again, until that fails.
pub(crate) async fn keep_lane(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
) -> Error {
    loop {
        sleep(CHECK).await;
        let deadline = Deadline::within(config.connect_timeout);
        if let Err(error) = declare_lane(session, config, lane, interest, deadline).await {
            return error;
        }
    }
}

/// The declaration of what one lane has, on a channel of its own.
struct Topology<'a> {
    channel: Channel,
    config: &'a AmqpConfig,
    lane: Lane,
    deadline: Deadline,
}

impl<'a> Topology<'a> {
    async fn begin(
        session: &Session,
        config: &'a AmqpConfig,
        lane: Lane,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        Ok(Self {
            channel: session.channel(deadline).await?,
            config,
            lane,
            deadline,
        })
    }

    async fn finish(self) -> Result<(), Error> {
        let close = self.channel.close(200, "OK".into());
        self.step("closing a channel", close).await
    }

    async fn exchange(&self) -> Result<(), Error> {
        let exchange = exchange(self.config, self.lane);
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let declare = self.channel.exchange_declare(
            exchange.clone(),
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        );
        self.step(&format!("exchange {exchange}"), declare).await
    }

    async fn queues(&self) -> Result<(), Error> {
        let dead = dead_letter_queue(self.config, self.lane);
        let mut arguments = arguments(self.config, 2 * HALF_AN_HOUR);
        arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(WEEK));
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(DEAD_LETTERS));
        self.queue(&dead, arguments).await?;

        let queue = queue(self.config, self.lane);
        let mut arguments = self::arguments(self.config, HALF_AN_HOUR);
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(dead.as_str()));
        self.queue(&queue, arguments).await
    }

    async fn queue(&self, queue: &ShortString, arguments: FieldTable) -> Result<(), Error> {
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declare = self
            .channel
            .queue_declare(queue.clone(), options, arguments);
        self.step(&format!("queue {queue}"), declare)
            .await
            .map(|_| ())
    }

    async fn binding(&self, pattern: &Pattern) -> Result<(), Error> {
        let queue = queue(self.config, self.lane);
        let bind = self.channel.queue_bind(
            queue.clone(),
            exchange(self.config, self.lane),
            key(pattern),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        self.step(&format!("binding of queue {queue} to {pattern}"), bind)
            .await
    }

    async fn step<T>(
        &self,
        subject: &str,
        step: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Error> {
        self.deadline.step(During::Declare, subject, step).await
    }
}

fn key(pattern: &Pattern) -> ShortString {
    ShortString::try_new(pattern.as_str()).expect("a pattern has at most 255 bytes")
}

fn arguments(config: &AmqpConfig, expires: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text(config.queue_type.as_str()));
    if config.queue_type == QueueType::Quorum {
        // From 4.0 on a quorum queue gives up a message after 20 deliveries, and a lost connection
        // counts as one: so many losses are a bad hour, not a bad message.
        let limit = AMQPValue::LongLongInt(DELIVERY_LIMIT);
        arguments.insert("x-delivery-limit".into(), limit);
    }
    if config.anonymous {
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(expires));
    }
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}
