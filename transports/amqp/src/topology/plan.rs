//! What has to be on the broker for one lane, and does the broker's version understand it?
//!
//! What outlives a connection is the same on every version: a broker that is upgraded must not find
//! that its own queues differ from what is declared. What differs from version to version is met like
//! this:
//!
//! | | RabbitMQ 3.10 to 3.13 | 4.0 to 4.2 | from 4.3 | here |
//! |---|---|---|---|---|
//! | deliveries of one message, quorum queue | unlimited | 20 | 20 failed ones | always said: 1,000 |
//! | queue neither durable nor exclusive | accepted | deprecated | refused | never declared: all are durable |
//! | priorities, quorum queue | none | two classes | 0 to 31 | not relied on: a lane has its own queue, and signals one for each level |
//! | `x-max-priority`, quorum queue | refused | | ignored | never declared |
//! | prefetch of a whole channel | accepted | deprecated | deprecated | not used |
//! | unknown argument | accepted silently | | | checked before it is declared |
//! | dead letters of a quorum queue that reach their queue for sure | from 3.10 on | yes | yes | for signals and commands |

use algedonic_transport::{Error, ErrorKind, Lane, Pattern};

use super::{audit::Audit, bands, names::Purpose};
use crate::{AmqpConfig, QueueType, error::During, greeting::Version};

const MINUTE: i64 = 60_000;
const HALF_AN_HOUR: i64 = 30 * MINUTE;
const WEEK: i64 = 7 * 24 * 60 * MINUTE;
/// After so many deliveries of one message a quorum queue dead-letters it. From 4.0 on that is 20 by
/// default, and a lost connection counts as one: so many losses are a bad hour, not a bad message.
const DELIVERY_LIMIT: i64 = 1000;
const DEAD_LETTERS: i64 = 100_000;
/// The argument of an exchange that names the one for what it cannot route.
pub(super) const ALTERNATE: &str = "alternate-exchange";

pub(super) type Arguments = Vec<(&'static str, Argument)>;

/// A durable queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) arguments: Arguments,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    Text(String),
    Number(i64),
}

/// A durable topic exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) name: String,
    /// No client can publish to it.
    pub(super) internal: bool,
    /// Where that goes for which it has no binding.
    pub(super) alternate: Option<String>,
}

impl Exchange {
    pub(super) fn internal(name: String) -> Self {
        Self {
            name,
            internal: true,
            alternate: None,
        }
    }
}

/// What a binding leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Queue(String),
    Exchange(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) source: String,
    pub(super) to: End,
    pub(super) pattern: Pattern,
}

/// What one lane of an instance needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The one that is published to first.
    pub(super) exchanges: Vec<Exchange>,
    /// The one for dead letters first.
    pub(super) queues: Vec<Queue>,
    pub(super) bindings: Vec<Binding>,
    /// Copies of all that is published, for people.
    pub(super) audit: Option<Audit>,
}

impl Plan {
    /// For an instance that only publishes on `lane`.
    pub(super) fn to_publish(config: &AmqpConfig, lane: Lane) -> Self {
        Self {
            exchanges: vec![Exchange {
                name: config.exchange_name(lane.into()),
                internal: false,
                alternate: None,
            }],
            queues: Vec::new(),
            bindings: Vec::new(),
            audit: Audit::of(config, lane),
        }
    }

    /// For one that receives as well.
    pub(super) fn to_receive(config: &AmqpConfig, lane: Lane, interest: &[Pattern]) -> Self {
        // Work waits for its group: such a queue has a name, and never expires.
        let owner = (config.anonymous && lane != Lane::Command).then_some(HALF_AN_HOUR);
        if lane == Lane::Signal {
            return bands::to_receive(config, interest, owner);
        }
        let purpose = Purpose::from(lane);
        let queue = config.lane_queue(lane);
        let dead = config.dead_letter_queue_name(purpose);
        let dead = letters(dead, queue.queue_type, owner, Some(WEEK));
        let text = |text: &str| Argument::Text(text.to_owned());
        let mut arguments = arguments(queue.queue_type, owner);
        arguments.push(("x-dead-letter-exchange", text("")));
        arguments.push(("x-dead-letter-routing-key", text(&dead.name)));
        if lane == Lane::Command {
            // Whatever the length comes from, a setting here or a policy there.
            arguments.push(("x-overflow", text("reject-publish")));
            if queue.queue_type == QueueType::Quorum {
                arguments.push(("x-dead-letter-strategy", text("at-least-once")));
            }
        }
        if let Some(ttl) = queue.message_ttl {
            let millis = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
            arguments.push(("x-message-ttl", Argument::Number(millis)));
        }
        if let Some(messages) = queue.max_length {
            arguments.push(("x-max-length", Argument::Number(messages.into())));
        }
        let name = config.queue_name(purpose);
        let mut plan = Self::to_publish(config, lane);
        plan.bindings.extend(interest.iter().map(|pattern| Binding {
            source: config.exchange_name(purpose),
            to: End::Queue(name.clone()),
            pattern: pattern.clone(),
        }));
        plan.queues = vec![dead, Queue { name, arguments }];
        plan
    }

    /// Refuses what a broker of this version would ignore without a word.
    pub(super) fn check(&self, version: Version) -> Result<(), Error> {
        self.queues
            .iter()
            .try_for_each(|queue| queue.check(version))
    }
}

impl Queue {
    /// Refuses what a broker of this version would ignore without a word.
    pub(super) fn check(&self, version: Version) -> Result<(), Error> {
        let quorum = self
            .arguments
            .contains(&("x-queue-type", Argument::Text("quorum".to_owned())));
        for (argument, _) in &self.arguments {
            let since = since(argument, quorum);
            if since.is_some_and(|since| version >= since) {
                continue;
            }
            let kind = if quorum { "quorum" } else { "classic" };
            let error = Error::permanent(ErrorKind::Unsupported, During::Declare.operation())
                .with_detail(format!(
                    "{argument} of the {kind} queue {}: not on RabbitMQ {version}",
                    self.name
                ));
            return Err(match since {
                Some(since) => error.with_advice(format!("it needs RabbitMQ {since} or later")),
                None => error,
            });
        }
        Ok(())
    }
}

/// From which version on a queue of this type takes the argument.
fn since(argument: &str, quorum: bool) -> Option<Version> {
    let all = Version(3, 0, 0);
    let quorum_queues = Version(3, 8, 0);
    match argument {
        "x-queue-type" => Some(quorum_queues),
        "x-message-ttl" if quorum => Some(Version(3, 10, 0)),
        "x-delivery-limit" => quorum.then_some(quorum_queues),
        "x-dead-letter-strategy" => quorum.then_some(Version(3, 10, 0)),
        "x-overflow" => Some(if quorum {
            quorum_queues
        } else {
            Version(3, 7, 0)
        }),
        "x-expires"
        | "x-message-ttl"
        | "x-max-length"
        | "x-max-length-bytes"
        | "x-dead-letter-exchange"
        | "x-dead-letter-routing-key" => Some(if quorum { quorum_queues } else { all }),
        _ => None,
    }
}

/// What every queue has; `expires` is how long it outlives its last owner, if not for ever.
pub(super) fn arguments(queue_type: QueueType, expires: Option<i64>) -> Arguments {
    let kind = queue_type.as_str().to_owned();
    let mut arguments = vec![("x-queue-type", Argument::Text(kind))];
    if queue_type == QueueType::Quorum {
        arguments.push(("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)));
    }
    arguments.extend(expires.map(|expires| ("x-expires", Argument::Number(expires))));
    arguments
}

/// The queue of dead letters of an owner; `ttl` is how long one is kept, if not until there are too many.
pub(super) fn letters(
    name: String,
    queue_type: QueueType,
    owner: Option<i64>,
    ttl: Option<i64>,
) -> Queue {
    let mut arguments = arguments(queue_type, owner.map(|expires| 2 * expires));
    arguments.extend(ttl.map(|ttl| ("x-message-ttl", Argument::Number(ttl))));
    arguments.push(("x-max-length", Argument::Number(DEAD_LETTERS)));
    Queue { name, arguments }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::CommandQueue;

    fn config() -> AmqpConfig {
        let config = AmqpConfig::new("amqp://localhost").expect("valid");
        config
            .prefix("p")
            .message_ttl(Some(Duration::from_secs(3600)))
    }

    fn plans() -> Vec<Plan> {
        let mut plans = Vec::new();
        for config in [
            config(),
            config().queue("q").max_length(Some(10_000)),
            config().queue_type(QueueType::Classic),
            config().queue("q").queue_type(QueueType::Classic),
            config().queue("q").commands(
                CommandQueue::new()
                    .queue_type(QueueType::Classic)
                    .message_ttl(Some(Duration::from_secs(60)))
                    .max_length(Some(7)),
            ),
        ] {
            for lane in Lane::ALL {
                let pattern = Pattern::new("a.#").expect("a pattern");
                plans.push(Plan::to_publish(&config, lane));
                plans.push(Plan::to_receive(&config, lane, &[pattern]));
            }
        }
        plans
    }

    #[test]
    fn every_plan_suits_every_version_from_3_10_on() {
        for plan in plans() {
            for version in [
                Version(3, 10, 0),
                Version(3, 13, 7),
                Version(4, 0, 5),
                Version(4, 2, 0),
                Version(4, 3, 5),
            ] {
                plan.check(version).expect("understood");
                if let Some(audit) = &plan.audit {
                    audit.queue.check(version).expect("understood");
                }
            }
        }
    }

    #[test]
    fn an_older_broker_that_would_ignore_an_argument_is_refused_by_name() {
        let plan = Plan::to_receive(&config(), Lane::Event, &[]);
        let error = plan
            .check(Version(3, 9, 29))
            .expect_err("TTL of quorum queues is of 3.10");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(!error.is_transient());
        let text = error.to_string();
        assert!(
            ["x-message-ttl", "quorum", "3.9.29", "3.10.0"]
                .iter()
                .all(|part| text.contains(part)),
            "{text}"
        );
        let mut plan = plan;
        plan.queues[0]
            .arguments
            .push(("x-max-priority", Argument::Number(10)));
        let error = plan
            .check(Version(4, 3, 5))
            .expect_err("ignored on quorum queues");
        assert!(error.to_string().contains("x-max-priority"), "{error}");
    }

    #[test]
    fn every_queue_that_takes_messages_has_one_for_its_dead_letters() {
        for plan in plans().iter().filter(|plan| !plan.queues.is_empty()) {
            let [letters, queues @ ..] = &plan.queues[..] else {
                panic!("{plan:?}");
            };
            let route = (
                "x-dead-letter-routing-key",
                Argument::Text(letters.name.clone()),
            );
            let routed = |queue: &Queue| queue.arguments.contains(&route);
            assert!(!queues.is_empty() && queues.iter().all(routed), "{plan:?}");
            // A queue of dead letters that has one of its own would never come to an end.
            assert!(
                letters
                    .arguments
                    .iter()
                    .all(|(name, _)| !name.starts_with("x-dead"))
            );
            let bounded = |name| {
                letters
                    .arguments
                    .iter()
                    .any(|(argument, _)| *argument == name)
            };
            assert!(bounded("x-max-length"), "{plan:?}");
            // Those of signals wait for somebody who looks.
            let signals = plan.audit.is_some();
            assert_ne!(bounded("x-message-ttl"), signals, "{plan:?}");
        }
    }

    /// Requirements 2.02, 2.15: what waits for a receiver is not taken away meanwhile.
    #[test]
    fn a_queue_of_commands_waits_for_ever_and_drops_none_for_another() {
        for kind in [QueueType::Quorum, QueueType::Classic] {
            for config in [config(), config().queue("q")] {
                let plan = Plan::to_receive(&config.queue_type(kind), Lane::Command, &[]);
                let [letters, queue] = &plan.queues[..] else {
                    panic!("{plan:?}");
                };
                let text = |name: &str| match queue.arguments.iter().find(|(is, _)| *is == name) {
                    Some((_, Argument::Text(text))) => Some(text.as_str()),
                    other => other.map(|_| "a number"),
                };
                assert_eq!(text("x-overflow"), Some("reject-publish"));
                let surely = (kind == QueueType::Quorum).then_some("at-least-once");
                assert_eq!(text("x-dead-letter-strategy"), surely);
                for (name, _) in letters.arguments.iter().chain(&queue.arguments) {
                    assert_ne!(*name, "x-expires", "{plan:?}");
                }
                // The time to live is that of events.
                assert_eq!(text("x-message-ttl"), None);
            }
        }
    }

    #[test]
    fn commands_have_settings_of_their_own() {
        let commands = CommandQueue::new()
            .queue_type(QueueType::Classic)
            .message_ttl(Some(Duration::from_secs(60)))
            .max_length(Some(7));
        let config = config().queue("q").commands(commands);
        let of = |lane| Plan::to_receive(&config, lane, &[]).queues[1].clone();
        let has = |queue: &Queue, name, value| queue.arguments.contains(&(name, value));
        let (events, commands) = (of(Lane::Event), of(Lane::Command));
        let kind = |kind: &str| Argument::Text(kind.to_owned());
        assert!(has(&commands, "x-queue-type", kind("classic")));
        assert!(has(&commands, "x-message-ttl", Argument::Number(60_000)));
        assert!(has(&commands, "x-max-length", Argument::Number(7)));
        assert!(has(&events, "x-queue-type", kind("quorum")));
        assert!(has(&events, "x-message-ttl", Argument::Number(3_600_000)));
    }
}
