//! Which of its queues does a signal go to, by how urgent it is?
//!
//! The broker goes by the key, whose last word is the level. A topic exchange has no binding for "none of these", so
//! that what has no level gets to the last band by an alternate exchange:
//!
//! ```text
//! {signals} --#--> {signals}.levels --#.critical--> {signals}.critical --interest--> {prefix}.{queue}.signals.critical
//!     |                  |----------#.high--------> {signals}.high     --interest--> … .high
//!     #                  |----------#.medium------> {signals}.medium   --interest--> … .medium
//!     v                  '- unmatched (alternate) -> {signals}.low     --interest--> … .low
//!   the audit queue
//! ```
//!
//! So each key comes by exactly one of the four, whatever the interest is; and the interest is bound as it is. Others
//! may bind queues of their own to `{signals}` and change nothing of that. The five are internal: nobody can publish to
//! them. They are those of all instances, so that no exchange is left when an instance has gone.

use algedonic_transport::{Error, ErrorKind, Lane, Pattern};

use super::{
    names::Purpose,
    plan::{Argument, Arguments, Binding, End, Exchange, Plan, Queue, letters},
};
use crate::{AmqpConfig, QueueType, error::During};

/// The last words of a signal's key, from the most urgent on. The last band takes all else as well.
pub(crate) const BANDS: [&str; 4] = ["critical", "high", "medium", "low"];

impl AmqpConfig {
    /// What the queues of this instance for signals are called, from the most urgent on:
    /// `{prefix}.{queue}.signals.critical`, `….high`, `….medium` and `….low`.
    pub fn signal_queue_names(&self) -> [String; 4] {
        let all = self.queue_name(Purpose::Signals);
        BANDS.map(|band| format!("{all}.{band}"))
    }

    /// What the exchanges are called that part signals by their level: first the one that parts them.
    pub(crate) fn band_exchange_names(&self) -> (String, [String; 4]) {
        let all = self.exchange_name(Purpose::Signals);
        (
            format!("{all}.levels"),
            BANDS.map(|band| format!("{all}.{band}")),
        )
    }
}

/// What an instance needs to receive signals.
pub(super) fn to_receive(config: &AmqpConfig, interest: &[Pattern], owner: Option<i64>) -> Plan {
    let mut plan = Plan::to_publish(config, Lane::Signal);
    let (levels, bands) = config.band_exchange_names();
    let queues = config.signal_queue_names();
    plan.exchanges
        .extend(bands.iter().map(|name| Exchange::internal(name.clone())));
    let [.., rest] = &bands;
    plan.exchanges.push(Exchange {
        alternate: Some(rest.clone()),
        ..Exchange::internal(levels.clone())
    });
    // A dead signal is kept until somebody has looked, however long that takes.
    let dead = letters(
        config.dead_letter_queue_name(Purpose::Signals),
        QueueType::Quorum,
        owner,
        None,
    );
    for (name, exchange) in queues.iter().zip(&bands) {
        plan.bindings.extend(interest.iter().map(|pattern| Binding {
            source: exchange.clone(),
            to: End::Queue(name.clone()),
            pattern: pattern.clone(),
        }));
        plan.queues.push(Queue {
            name: name.clone(),
            arguments: arguments(&dead.name, owner),
        });
    }
    plan.queues.insert(0, dead);
    // From the end on: what gets in at the front finds its way.
    let (parted, _) = BANDS.split_at(BANDS.len() - 1);
    for (band, exchange) in parted.iter().zip(&bands) {
        plan.bindings.push(Binding {
            source: levels.clone(),
            to: End::Exchange(exchange.clone()),
            pattern: pattern(&format!("#.{band}")),
        });
    }
    plan.bindings.push(Binding {
        source: config.exchange_name(Purpose::Signals),
        to: End::Exchange(levels),
        pattern: pattern("#"),
    });
    plan
}

pub(super) fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect("valid as it is written here")
}

/// Of a queue in which signals wait. It takes all that comes: full, it would have to drop one, or to refuse one to all
/// instances. Should a policy of the broker bound it all the same, it refuses, and senders learn that.
fn arguments(dead: &str, owner: Option<i64>) -> Arguments {
    let mut arguments = super::plan::arguments(QueueType::Quorum, owner);
    let text = |text: &str| Argument::Text(text.to_owned());
    arguments.extend([
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(dead)),
        ("x-overflow", text("reject-publish")),
        ("x-dead-letter-strategy", text("at-least-once")),
    ]);
    arguments
}

/// Refuses a plan whose queues could lose a signal that waits for its owner.
pub(super) fn check(plan: &Plan, config: &AmqpConfig) -> Result<(), Error> {
    let names = config.signal_queue_names();
    for queue in plan.queues.iter().filter(|one| names.contains(&one.name)) {
        let refuse = |what: String| {
            Err(
                Error::permanent(ErrorKind::Misconfigured, During::Declare.operation())
                    .with_detail(format!("queue {} could lose a signal: {what}", queue.name)),
            )
        };
        for (argument, value) in [
            ("x-queue-type", "quorum"),
            ("x-overflow", "reject-publish"),
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-strategy", "at-least-once"),
        ] {
            let needed = (argument, Argument::Text(value.to_owned()));
            if !queue.arguments.contains(&needed) {
                return refuse(format!("{argument} must be {value:?}"));
            }
        }
        for (argument, _) in &queue.arguments {
            let drops = match *argument {
                "x-message-ttl" | "x-max-length" | "x-max-length-bytes" => true,
                // Who has no name does not come back.
                "x-expires" => !config.anonymous,
                _ => false,
            };
            if drops {
                return refuse(format!("it must have no {argument}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use algedonic_transport::Key;
    use proptest::prelude::*;

    use super::*;

    fn config() -> AmqpConfig {
        let config = AmqpConfig::new("amqp://localhost").expect("valid");
        config.prefix("p").queue("q")
    }

    /// Where a broker takes a message with this key: to these queues, each as often as by ways.
    fn queues(plan: &Plan, exchange: &str, key: &Key) -> Vec<String> {
        let from = |binding: &&Binding| binding.source == exchange && binding.pattern.matches(key);
        let mut ends: Vec<_> = plan.bindings.iter().filter(from).map(|to| &to.to).collect();
        // The broker takes each way once, however many bindings lead there.
        ends.dedup();
        if ends.is_empty()
            && let Some(is) = plan.exchanges.iter().find(|one| one.name == exchange)
            && let Some(alternate) = &is.alternate
        {
            return queues(plan, alternate, key);
        }
        let lead = |end: &End| match end {
            End::Queue(name) => vec![name.clone()],
            End::Exchange(name) => queues(plan, name, key),
        };
        ends.into_iter().flat_map(lead).collect()
    }

    fn words() -> impl Strategy<Value = Vec<&'static str>> {
        let word = prop::sample::select(vec!["algedonic", "pain", "critical", "high", "low", "a"]);
        prop::collection::vec(word, 1..5)
    }

    fn interest() -> impl Strategy<Value = Vec<Pattern>> {
        let word = prop::sample::select(vec!["algedonic", "pain", "critical", "low", "*", "#"]);
        let pattern = prop::collection::vec(word, 1..5)
            .prop_map(|words| Pattern::new(words.join(".")).expect("valid"));
        prop::collection::vec(pattern, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_wanted_comes_to_one_queue_and_nothing_else_to_any(
            words in words(), interest in interest(),
        ) {
            let config = config();
            let plan = to_receive(&config, &interest, None);
            let key = Key::new(words.join(".")).expect("valid");
            let came = queues(&plan, "p.signals", &key);
            let wanted = interest.iter().any(|pattern| pattern.matches(&key));
            let last = words.last().expect("one at least");
            let band = if BANDS.contains(last) { last } else { "low" };
            let expected = wanted.then(|| format!("p.q.signals.{band}"));
            prop_assert_eq!(came, Vec::from_iter(expected), "{}", key);
        }
    }

    #[test]
    fn settings_of_events_are_none_of_signals() {
        let plain = to_receive(&config(), &[], None);
        let events = config()
            .queue_type(QueueType::Classic)
            .message_ttl(Some(Duration::from_secs(60)))
            .max_length(Some(1));
        assert_eq!(Plan::to_receive(&events, Lane::Signal, &[]), plain);
        let [letters, bands @ ..] = &plain.queues[..] else {
            panic!("{plain:?}");
        };
        assert_eq!(letters.name, "p.q.signals.dlq");
        let names: Vec<_> = bands.iter().map(|queue| &*queue.name).collect();
        assert_eq!(names, config().signal_queue_names());
        for queue in bands {
            assert_eq!(queue.arguments, bands[0].arguments, "they share one end");
        }
    }

    #[test]
    fn whatever_could_lose_a_signal_is_refused_by_name() {
        let plan = to_receive(&config(), &[], None);
        check(&plan, &config()).expect("as it is planned");
        for argument in [
            "x-message-ttl",
            "x-max-length",
            "x-max-length-bytes",
            "x-expires",
        ] {
            for queue in 1..=4 {
                let mut plan = plan.clone();
                let arguments = &mut plan.queues[queue].arguments;
                arguments.push((argument, Argument::Number(1000)));
                let error = check(&plan, &config()).expect_err(argument);
                assert_eq!(error.kind(), ErrorKind::Misconfigured);
                let text = error.to_string();
                assert!(
                    text.contains(argument) && text.contains(&plan.queues[queue].name),
                    "{text}"
                );
            }
        }
        for argument in [
            "x-queue-type",
            "x-overflow",
            "x-dead-letter-exchange",
            "x-dead-letter-strategy",
        ] {
            for other in [Some("drop-head"), None] {
                let mut plan = plan.clone();
                let arguments = &mut plan.queues[3].arguments;
                arguments.retain(|(name, _)| *name != argument);
                arguments.extend(other.map(|other| (argument, Argument::Text(other.to_owned()))));
                let error = check(&plan, &config()).expect_err(argument);
                assert!(error.to_string().contains(argument), "{error}");
            }
        }
    }

    /// Its queues are called by a UUID of its own: nobody will read them when it has gone.
    #[test]
    fn only_who_has_no_name_leaves_queues_that_expire() {
        let nameless = AmqpConfig::new("amqp://localhost").expect("valid");
        let plan = Plan::to_receive(&nameless, Lane::Signal, &[]);
        check(&plan, &nameless).expect("planned so");
        let expires = |queue: &Queue| queue.arguments.iter().any(|(name, _)| *name == "x-expires");
        assert!(plan.queues.iter().all(expires));
        let named = Plan::to_receive(&config(), Lane::Signal, &[]);
        assert!(!named.queues.iter().any(expires));
    }
}
