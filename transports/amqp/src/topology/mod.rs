//! How do the exchanges, queues and bindings of an instance come to be on the broker?
//!
//! All names are of our choosing and all is durable, so that it can be declared again, unchanged,
//! on every connection. It is declared on a channel of its own: an error closes that channel, and
//! would take with it whatever else was on it. Where others have declared it, it is looked for.

use algedonic_transport::{Error, Lane, Pattern};
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use self::plan::{Argument, Plan, Queue};
use crate::{
    AmqpConfig, TopologyMode,
    connect::{Deadline, Session},
    error::During,
};

mod definitions;
mod keep;
mod names;
mod plan;

pub(crate) use keep::{keep_exchange, keep_lane};
pub use names::Purpose;

/// The exchange that this lane of every instance with this prefix publishes to. One for each lane:
/// whatever the keys, nothing of one lane gets into a queue of the other.
pub(crate) fn exchange(config: &AmqpConfig, lane: Lane) -> ShortString {
    short(&config.exchange_name(lane.into()))
}

/// The queue of one lane of this instance, or of all that have its name.
pub(crate) fn queue(config: &AmqpConfig, lane: Lane) -> ShortString {
    short(&config.queue_name(lane.into()))
}

/// The queue of what this instance could not read or use of one lane (requirement 0.14).
pub(crate) fn dead_letter_queue(config: &AmqpConfig, lane: Lane) -> ShortString {
    short(&config.dead_letter_queue_name(lane.into()))
}

fn short(text: &str) -> ShortString {
    // Prefix and queue have at most 100 bytes each, a pattern has 255.
    ShortString::try_new(text).expect("checked by AmqpConfig::validate and by Pattern")
}

/// Sees to the exchange of `lane`.
pub(crate) async fn declare_exchange(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    deadline: Deadline,
) -> Result<(), Error> {
    let plan = Plan::to_publish(config, lane);
    Topology::begin(session, config, deadline)
        .await?
        .see_to(&plan)
        .await
}

/// Sees to the exchange, the queue of `lane`, its dead letter queue, and the bindings.
pub(crate) async fn declare_lane(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
    deadline: Deadline,
) -> Result<(), Error> {
    let plan = Plan::to_receive(config, lane, interest);
    if let Some(version) = session.version() {
        plan.check(version)?;
    }
    Topology::begin(session, config, deadline)
        .await?
        .see_to(&plan)
        .await
}

/// A channel of its own for one plan.
struct Topology {
    channel: Channel,
    mode: TopologyMode,
    deadline: Deadline,
}

impl Topology {
    async fn begin(
        session: &Session,
        config: &AmqpConfig,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        Ok(Self {
            channel: session.channel(deadline).await?,
            mode: config.topology_mode,
            deadline,
        })
    }

    async fn see_to(self, plan: &Plan) -> Result<(), Error> {
        self.exchange(&plan.exchange).await?;
        for queue in &plan.queues {
            self.queue(queue).await?;
        }
        if let (TopologyMode::Declare, Some(queue)) = (self.mode, plan.queues.last()) {
            for pattern in &plan.bindings {
                self.binding(&plan.exchange, &queue.name, pattern).await?;
            }
        }
        let close = self.channel.close(200, "OK".into());
        self.step("closing a channel", close).await
    }

    fn only_look(&self) -> bool {
        self.mode == TopologyMode::Expect
    }

    async fn exchange(&self, exchange: &str) -> Result<(), Error> {
        let options = ExchangeDeclareOptions {
            durable: true,
            passive: self.only_look(),
            ..ExchangeDeclareOptions::default()
        };
        let declare = self.channel.exchange_declare(
            short(exchange),
            ExchangeKind::Topic,
            options,
            FieldTable::default(),
        );
        self.step(&format!("exchange {exchange}"), declare).await
    }

    async fn queue(&self, queue: &Queue) -> Result<(), Error> {
        let options = QueueDeclareOptions {
            durable: true,
            passive: self.only_look(),
            ..QueueDeclareOptions::default()
        };
        let mut arguments = FieldTable::default();
        for (name, value) in &queue.arguments {
            arguments.insert((*name).into(), amqp(value));
        }
        let declare = self
            .channel
            .queue_declare(short(&queue.name), options, arguments);
        self.step(&format!("queue {}", queue.name), declare)
            .await
            .map(|_| ())
    }

    async fn binding(&self, exchange: &str, queue: &str, pattern: &Pattern) -> Result<(), Error> {
        let bind = self.channel.queue_bind(
            short(queue),
            short(exchange),
            short(pattern.as_str()),
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
        let during = match self.mode {
            TopologyMode::Declare => During::Declare,
            TopologyMode::Expect => During::Expect,
        };
        self.deadline.step(during, subject, step).await
    }
}

fn amqp(value: &Argument) -> AMQPValue {
    match value {
        Argument::Text(text) => AMQPValue::LongString(LongString::from(text.as_str())),
        Argument::Number(number) => AMQPValue::LongLongInt(*number),
    }
}
