//! What are exchanges and queues called?

use algedonic_transport::Lane;

use crate::AmqpConfig;

/// What an exchange, and a queue at it, are for.
///
/// There is none for replies, whose way has nothing that could be declared, by us or by who owns the broker:
/// RabbitMQ's direct reply-to, the pseudo-queue `amq.rabbitmq.reply-to`, is there for each channel, and ends
/// with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Events: each instance that is interested gets a copy.
    Events,
    /// Algedonic signals: each instance that listens gets a copy.
    Signals,
    /// Commands: the instances of one queue name share them, each goes to one of them.
    Commands,
}

impl Purpose {
    /// The last word of the names.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Signals => "signals",
            Self::Commands => "commands",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Events => 0,
            Self::Signals => 1,
            Self::Commands => 2,
        }
    }
}

impl From<Lane> for Purpose {
    fn from(lane: Lane) -> Self {
        match lane {
            Lane::Event => Self::Events,
            Lane::Signal => Self::Signals,
            Lane::Command => Self::Commands,
        }
    }
}

impl AmqpConfig {
    /// The name of the exchange for one purpose, instead of `{prefix}.events`, `{prefix}.signals` or
    /// `{prefix}.commands`. Instances hear each other if they agree on it: one for the signals of
    /// several prefixes, say. All three must differ.
    pub fn exchange(mut self, purpose: Purpose, name: impl Into<String>) -> Self {
        self.exchanges[purpose.index()] = Some(name.into());
        self
    }

    /// What the exchange for this purpose is called.
    pub fn exchange_name(&self, purpose: Purpose) -> String {
        let chosen = self.exchanges[purpose.index()].clone();
        chosen.unwrap_or_else(|| format!("{}.{}", self.prefix, purpose.word()))
    }

    /// What the queue of this instance for this purpose is called: `{prefix}.{queue}.events` and so
    /// on. Signals have four, whose names begin with this one ([`signal_queue_names`](Self::signal_queue_names)).
    pub fn queue_name(&self, purpose: Purpose) -> String {
        format!("{}.{}.{}", self.prefix, self.queue, purpose.word())
    }

    /// What the queue is called that keeps what this instance could not read or use:
    /// `{prefix}.{queue}.events.dlq` and so on.
    pub fn dead_letter_queue_name(&self, purpose: Purpose) -> String {
        format!("{}.dlq", self.queue_name(purpose))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_were_agreed_on() {
        let config = AmqpConfig::new("amqp://localhost").expect("valid");
        let config = config
            .prefix("vsm")
            .queue("s3")
            .exchange(Purpose::Signals, "vsm.algedonic.signals");
        config.validate().expect("valid");
        assert_eq!(config.exchange_name(Purpose::Events), "vsm.events");
        assert_eq!(
            config.exchange_name(Purpose::Signals),
            "vsm.algedonic.signals"
        );
        assert_eq!(config.exchange_name(Purpose::Commands), "vsm.commands");
        assert_eq!(config.queue_name(Purpose::Events), "vsm.s3.events");
        assert_eq!(config.queue_name(Purpose::Signals), "vsm.s3.signals");
        assert_eq!(config.signal_queue_names()[0], "vsm.s3.signals.critical");
        assert_eq!(config.queue_name(Purpose::Commands), "vsm.s3.commands");
        assert_eq!(
            config.dead_letter_queue_name(Purpose::Events),
            "vsm.s3.events.dlq"
        );
    }

    #[test]
    fn the_longest_names_fit_into_a_short_string() {
        let long = "n".repeat(100);
        let config = AmqpConfig::new("amqp://localhost").expect("valid");
        let config = config.prefix(&long).queue(&long);
        config.validate().expect("valid");
        assert!(config.dead_letter_queue_name(Purpose::Commands).len() <= 255);
    }
}
