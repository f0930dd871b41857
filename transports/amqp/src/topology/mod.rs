//! How do the exchanges, queues and bindings of an instance come to be on the broker?
//!
//! All names are of our choosing and all is durable, so that it can be declared again, unchanged,
//! on every connection. It is declared on a channel of its own: an error closes that channel, and
//! would take with it whatever else was on it. Where others have declared it, it is looked for.

use algedonic_transport::{Error, ErrorKind, Lane, Pattern};
use futures_util::future::try_join_all;
use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use self::plan::{ALTERNATE, Argument, Binding, End, Exchange, Plan, Queue};
use crate::{
    AmqpConfig, TopologyMode,
    connect::{Deadline, Session},
    error::During,
};

mod audit;
mod bands;
mod copies;
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

/// The queues of one lane of this instance, or of all that have its name: the most urgent first.
pub(crate) fn queues(config: &AmqpConfig, lane: Lane) -> Vec<ShortString> {
    match lane {
        Lane::Event | Lane::Command => vec![short(&config.queue_name(lane.into()))],
        Lane::Signal => config.signal_queue_names().map(|name| short(&name)).into(),
    }
}

/// The queue of what this instance could not read or use of one lane (requirement 0.14).
pub(crate) fn dead_letter_queue(config: &AmqpConfig, lane: Lane) -> ShortString {
    short(&config.dead_letter_queue_name(lane.into()))
}

fn short(text: &str) -> ShortString {
    // Prefix and queue have at most 100 bytes each, a pattern has 255.
    ShortString::try_new(text).expect("checked by AmqpConfig::validate and by Pattern")
}

/// Sees to the exchange of `lane`, and to the queue of audit copies, if it has one.
pub(crate) async fn declare_exchange(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    deadline: Deadline,
) -> Result<(), Error> {
    let plan = Plan::to_publish(config, lane);
    see_to(session, config, &plan, deadline).await?;
    if let Some(audit) = &plan.audit {
        audit.see_to(session, config, deadline).await;
    }
    Ok(())
}

/// Sees to the exchanges and the queues of `lane`, its dead letter queue, and the bindings. The queue of audit copies
/// is the concern of those connections that publish, and each instance has one.
pub(crate) async fn declare_lane(
    session: &Session,
    config: &AmqpConfig,
    lane: Lane,
    interest: &[Pattern],
    deadline: Deadline,
) -> Result<(), Error> {
    let plan = Plan::to_receive(config, lane, interest);
    bands::check(&plan, config)?;
    if let Some(version) = session.version() {
        plan.check(version)?;
    }
    see_to(session, config, &plan, deadline).await
}

/// All that can be asked for at once is: an instance far away would wait for some thirty answers, one after the other.
/// The first error closes the channel, and each step fails of it; so which one it was is found one by one.
async fn see_to(
    session: &Session,
    config: &AmqpConfig,
    plan: &Plan,
    deadline: Deadline,
) -> Result<(), Error> {
    let at_once = Topology::begin(session, config, deadline).await?;
    match at_once.see_to_at_once(plan).await {
        Err(error) if error.kind() != ErrorKind::TimedOut && session.is_connected() => {
            tracing::debug!(%error, "not all is there: it is seen to one by one");
            let one_by_one = async {
                let topology = Topology::begin(session, config, deadline).await?;
                topology.see_to_one_by_one(plan).await
            };
            match one_by_one.await {
                // What the broker has said is more than that it did not say it again.
                Err(late) if late.kind() == ErrorKind::TimedOut => Err(error),
                done => done,
            }
        }
        done => done,
    }
}

/// A channel of its own, on which things are declared or looked for.
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

    /// Three round trips. RabbitMQ answers a channel in the order in which it is asked.
    async fn see_to_at_once(self, plan: &Plan) -> Result<(), Error> {
        let look = self.mode == TopologyMode::Expect;
        try_join_all(plan.exchanges.iter().map(|one| self.exchange(one, look))).await?;
        try_join_all(plan.queues.iter().map(|one| self.queue(one, look))).await?;
        if !look {
            try_join_all(plan.bindings.iter().map(|one| self.binding(one))).await?;
        }
        self.end().await
    }

    async fn see_to_one_by_one(self, plan: &Plan) -> Result<(), Error> {
        let look = self.mode == TopologyMode::Expect;
        for exchange in &plan.exchanges {
            self.exchange(exchange, look).await?;
        }
        for queue in &plan.queues {
            self.queue(queue, look).await?;
        }
        if !look {
            for binding in &plan.bindings {
                self.binding(binding).await?;
            }
        }
        self.end().await
    }

    async fn end(self) -> Result<(), Error> {
        let close = self.channel.close(200, "OK".into());
        self.step("closing a channel", close).await
    }

    async fn exchange(&self, exchange: &Exchange, look: bool) -> Result<(), Error> {
        let options = ExchangeDeclareOptions {
            durable: true,
            internal: exchange.internal,
            passive: look,
            ..ExchangeDeclareOptions::default()
        };
        let mut arguments = FieldTable::default();
        if let Some(alternate) = &exchange.alternate {
            let alternate = LongString::from(alternate.as_str());
            arguments.insert(ALTERNATE.into(), AMQPValue::LongString(alternate));
        }
        let name = &exchange.name;
        let declare =
            self.channel
                .exchange_declare(short(name), ExchangeKind::Topic, options, arguments);
        self.step(&format!("exchange {name}"), declare).await
    }

    async fn queue(&self, queue: &Queue, look: bool) -> Result<(), Error> {
        let options = QueueDeclareOptions {
            durable: true,
            passive: look,
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

    async fn binding(&self, binding: &Binding) -> Result<(), Error> {
        let (channel, pattern) = (&self.channel, &binding.pattern);
        let (source, key) = (short(&binding.source), short(pattern.as_str()));
        let none = FieldTable::default();
        match &binding.to {
            End::Queue(queue) => {
                let options = QueueBindOptions::default();
                let bind = channel.queue_bind(short(queue), source, key, options, none);
                let subject = format!("binding of queue {queue} to {pattern}");
                self.step(&subject, bind).await
            }
            End::Exchange(exchange) => {
                let options = ExchangeBindOptions::default();
                let bind = channel.exchange_bind(short(exchange), source, key, options, none);
                let subject = format!("binding of exchange {exchange} to {pattern}");
                self.step(&subject, bind).await
            }
        }
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
