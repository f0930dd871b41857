//! RabbitMQ (AMQP 0-9-1) as a transport of the algedonic event bus.
//!
//! # Nomenclature
//!
//! | AMQP | here |
//! |---|---|
//! | routing key | the [`Key`] of the instance |
//! | exchange | `{prefix}.events`, `{prefix}.signals` and `{prefix}.commands`, durable topic exchanges, one for each lane: all instances of one prefix publish to them |
//! | queue | `{prefix}.{queue}.events` and `….commands`, one for each lane that is received, and four for signals, see [Signals](#signals); `{prefix}.{queue}.events.dlq` and so on keep what could not be read or used, see [Dead letters](#dead-letters) |
//! | binding | one for each [`Pattern`] of interest |
//! | confirm | the broker has taken responsibility: [`Outcome::Confirmed`]; a negative one is [`Outcome::Rejected`] |
//! | return | no binding matched: [`Outcome::NotRouted`]. Every message is published as *mandatory* |
//!
//! ```no_run
//! # async fn run() -> Result<(), algedonic_transport::Error> {
//! use algedonic_amqp::{Amqp, AmqpConfig};
//! use algedonic_transport::Transport;
//!
//! let amqp = Amqp::new(AmqpConfig::new("amqp://localhost")?.queue("billing"))?;
//! println!("{}", amqp.link());
//! # Ok(())
//! # }
//! ```
//!
//! # Queues
//!
//! A named queue ([`AmqpConfig::queue`]) waits for its owner for ever, and collects messages
//! meanwhile; two instances of one name share its messages. Without a name an instance gets queues
//! that the broker drops 30 minutes after the instance has gone. Dropping the stream of arrivals
//! keeps them, as do closing and dropping the transport: what comes waits. A pattern that only an
//! earlier run of the same name was interested in stays bound until the queue is deleted.
//!
//! # Signals
//!
//! A signal is for everybody: each instance that listens has a copy, in queues of its own. It has one for each level,
//! `{prefix}.{queue}.signals.critical`, `….high`, `….medium` and `….low`, and reads the most urgent first: one that is
//! less urgent comes when nothing more urgent is there. A backlog of low signals does not delay a critical one, since
//! the broker hands out each queue by itself, at most [`AmqpConfig::prefetch`] of each at a time.
//!
//! - The level is the last word of the key, as in `algedonic.pain.critical`. A key that ends with another word is in the
//!   queue of the low ones: no signal is without a queue for want of a level. The order of one key is kept.
//! - Priorities of the broker would not do: quorum queues have none before RabbitMQ 4, and two before 4.3. The priority
//!   (10, 8, 5 or 2) is on the message all the same, for whoever reads it elsewhere.
//! - The queues are durable and quorum queues, always: a classic one may confirm what is not on disk yet. They have no
//!   time to live and no length, and refuse rather than drop, should a policy of the broker bound them
//!   (`x-overflow: reject-publish`); what is delivered more than 1,000 times, or given back more often than
//!   [`AmqpConfig::max_attempts`] allows, goes to the dead-letter queue, and leaves only when it is there
//!   (`x-dead-letter-strategy: at-least-once`). No setting changes that: [`AmqpConfig::message_ttl`],
//!   [`max_length`](AmqpConfig::max_length) and [`queue_type`](AmqpConfig::queue_type) are for events. With
//!   [`TopologyMode::Expect`] it is up to whoever makes the queues; AMQP has no way to look at their arguments.
//! - What has no bound has to be read. A named instance that has gone for good leaves queues that grow: delete them.
//! - Without a name the queues are called by a UUID that nobody has again, and the broker drops them 30 minutes after
//!   their owner has gone, with what is in them: nobody could ask for it. An owner that is cut off for longer than that,
//!   and comes back, has missed what came meanwhile: who must miss none has a name ([`AmqpConfig::queue`]).
//! - The audit queue, `{prefix}.algedonic.signals` ([`AmqpConfig::audit`]), has a copy of every signal for an operator.
//!   It is the one place where anything goes for want of room: the oldest copies, beyond 100,000. It is not for
//!   subsystems, which would share what is in it.
//! - Exchanges part signals by their level: `{prefix}.signals` leads to `{prefix}.signals.levels`, and that to
//!   `{prefix}.signals.critical` and so on, of which each instance binds its queues by its interest. They are internal:
//!   publish to `{prefix}.signals`, and bind to that what else is to hear signals.
//!
//! # Commands
//!
//! The instances of one name are a group, whose commands wait in one queue, `{prefix}.{queue}.commands`
//! ([`AmqpConfig::commands`]): each goes to one of them. It is made when the first of them receives commands, and
//! stays. What differs from the queues of the other lanes:
//!
//! - It has an owner: an instance without a name receives none ([`Lane::Command`]), and the queue never expires.
//! - Full, it refuses: the sender learns [`Outcome::Rejected`]. That of events drops its oldest.
//! - An instance has 10 of them at a time, not 100, so that an idle one finds something to do.
//! - A quorum queue keeps a dead command until its dead-letter queue has it (`x-dead-letter-strategy`); to look at
//!   again takes RabbitMQ three minutes, where that queue was missing.
//! - Its connection and its exchange are made with the first command that is sent, which waits for them, at most for
//!   [`AmqpConfig::confirm_timeout`]. Who sends none needs neither.
//!
//! A command is tried again by who handles it, before it is settled: there is no queue in which it would wait for its
//! next attempt, and one that is given back comes at once. Held for longer than the broker's `consumer_timeout`, 30
//! minutes by default, it is delivered again.
//!
//! Nothing is declared for replies. RabbitMQ's direct reply-to is there without; a reply must not be published as
//! *mandatory*, since 3.10 and 4.0 return it though it arrives.
//!
//! # Permissions
//!
//! The user needs configure, write and read permission for names that begin with the prefix, and
//! write permission for `amq.default`, by which dead letters get to their queue.
//!
//! Where others own the broker, [`TopologyMode::Expect`] declares nothing, and looks for all of it;
//! [`AmqpConfig::definitions`] writes down what that is. What is declared is the same on RabbitMQ 3.10 to
//! 4.3, so that an upgrade of the broker is no mismatch; an older one that would ignore a part of it
//! is refused. Another queue or exchange of the same name is told with the argument that differs, our
//! value and the broker's.
//!
//! # Secrets
//!
//! - `amqps://` needs the feature `tls` (of `algedonic`: `amqp-tls`), and is an error without it. The
//!   broker's certificate is always verified; see [`Tls`] for an authority of one's own, a certificate
//!   of the client, and a login by it.
//! - With `amqp://` a password is sent to this host only, unless
//!   [`AmqpConfig::allow_plaintext_login`] is set.
//! - No `Debug`, no error and no log holds the password. lapin's own logs would, at the level TRACE: a
//!   connection made while that level is on leaves out what lapin logs of the frames it writes.
//!
//! # Dead letters
//!
//! What cannot be read, what the application puts aside, and what was delivered more often than
//! [`AmqpConfig::max_attempts`] allows goes to the dead-letter queue of its lane. That holds at most
//! 100,000 messages, of which the oldest go first, for 7 days: what is not looked at by then is gone. Dead signals
//! wait for longer than that: until somebody looks, or there are too many.
//! RabbitMQ also dead-letters a message whose property `expiration` has passed. Ours carry none, so
//! that what is merely late does not push out what is wrong: a queue keeps what has expired until its
//! owner reads it, and the bus leaves it out.
//!
//! A dead letter is the message as it came, with headers that say why. It is published on a
//! connection of its own, made when there is one and kept for 30 seconds; the original is acked when
//! the broker has confirmed it. Where that does not work, or the letter would not hold all that the
//! message held, the original is rejected: then RabbitMQ moves it, and `x-death` says no more than
//! `rejected`.
//!
//! A letter can come twice: when the process or the connection ends after the letter was confirmed and
//! before the broker has read the ack of the original. Nothing in AMQP 0-9-1 does both at once;
//! RabbitMQ's transactions are atomic within one queue only. Both letters have the message id that the
//! message came with, and the same `algedonic-letter`, whichever instance wrote them: who reads them
//! leaves out the second by that.
//!
//! | header | type | holds |
//! |---|---|---|
//! | `algedonic-reason` | text | `malformed`, `too-large`, `unwanted` (by the application) or `attempts` |
//! | `algedonic-detail` | text | the reason in words, at most 1,000 bytes |
//! | `algedonic-dead-at` | integer | when, in milliseconds since 1970 |
//! | `algedonic-exchange`, `algedonic-key` | text | what it was published to, and under which routing key |
//! | `algedonic-attempts` | integer | how often it was delivered |
//! | `algedonic-letter` | text | a UUID of what the message holds: the same in a second letter for it, and in the letter of a message that is equal; absent with `algedonic-unreadable` |
//! | `algedonic-publication` | text | a UUID of this letter alone, by which its writer knows it again where RabbitMQ returns it |
//! | `algedonic-user-id`, `algedonic-expiration` | text | these properties: with them it could not be published again |
//! | `algedonic-unreadable` | text | what is wrong with the properties |
//! | `algedonic-unreadable-properties` | bytes | all properties as they were on the wire, from their flags on |
//! | `algedonic-unreadable-key` | bytes | exchange and routing key, if one is not UTF-8: each after a byte for its length |
//!
//! The last three are on a message that lapin could not have taken: text that is not UTF-8, headers
//! that nest deeper than 16 levels or hold more than 4,096 values, a length that cannot be, headers
//! that outgrew their frame when RabbitMQ added its own. Without a look at each frame before lapin
//! gets it, the first of these would end the connection, and the second the process, at each delivery.
//!
//! # On the wire
//!
//! Any AMQP client can take part: the properties, headers and bodies are documented in [`wire`], and
//! stay as they are there. [`AmqpConfig::wire_form`] chooses how messages are written; all forms are
//! read. What cannot be read is dead-lettered.
//!
//! # Failure
//!
//! Each lane has a connection to publish ([`AmqpConfig::publish_connections`] for events; commands only once
//! there is one), and one to consume once it is received: a broker that blocks publishers still takes acks, a queue that differs
//! stops its own lane only, and nothing that is wrong with events is felt by signals. Each is made again
//! after a loss: 100 ms apart for two seconds, then at random times, the longer the outage the further
//! apart, up to [`AmqpConfig::max_backoff`]; or by [`AmqpConfig::backoff_schedule`]. What the broker
//! refuses (credentials, permissions, a queue of the same name that differs) is retried from 5 s on,
//! and told by [`Link::error`](algedonic_transport::Link). Every 30 s each looks whether its exchange,
//! queue and bindings are still there, and declares them again; sooner when a message of this instance that
//! it wants itself is not routed. RabbitMQ tells nobody that a binding has gone: what others publish until
//! then does not come, and if nobody else hears it their outcome is [`Outcome::NotRouted`]. A signal that only the
//! audit queue takes is [`Outcome::Confirmed`]: a missing binding of signals is found within 30 s.
//!
//! What was published and has no answer when its connection or channel ends is published again on the
//! next one, first, in order and under the same ids, for as long as its sender waits
//! ([`AmqpConfig::confirm_timeout`]); receivers leave out repetitions. When the broker closes the channel
//! over one message, because the user may not send its key, say, those that were under way are published
//! again, fewer at a time until it is alone, and that one is [`Outcome::Rejected`] with the broker's words.
//!
//! The link is *up* only when all connections are. *Down* does not say that nothing works: each goes on
//! without the others, and [`Transport::send`](algedonic_transport::Transport::send) answers `Unavailable`
//! exactly when the message's own connection cannot publish.
//!
//! lapin 4.12 logs every returned message, with its body, as a warning: set its level to `error`
//! where that matters.
//!
//! [`Key`]: algedonic_transport::Key
//! [`Pattern`]: algedonic_transport::Pattern
//! [`Outcome::Confirmed`]: algedonic_transport::Outcome::Confirmed
//! [`Outcome::Rejected`]: algedonic_transport::Outcome::Rejected
//! [`Outcome::NotRouted`]: algedonic_transport::Outcome::NotRouted
//! [`Lane::Command`]: algedonic_transport::Lane::Command

#![forbid(unsafe_code)]
mod backoff;
mod cipher;
mod config;
mod connect;
mod consuming;
mod dead_letter;
mod discreet;
mod env;
mod error;
mod greeting;
mod guard;
mod hearing;
mod identity;
mod link;
mod overheard;
mod part;
mod phase;
mod places;
mod publishing;
mod runtime;
mod socket;
mod tally;
mod tls;
mod topology;
mod transport;
mod uri;
mod window;
pub mod wire;

pub use self::{
    config::{AmqpConfig, AuditQueue, CommandQueue, QueueType, TopologyMode},
    tls::Tls,
    topology::Purpose,
    transport::Amqp,
    wire::WireForm,
};
