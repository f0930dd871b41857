//! RabbitMQ (AMQP 0-9-1) as a transport of the algedonic event bus.
//!
//! # Nomenclature
//!
//! | AMQP | here |
//! |---|---|
//! | routing key | the [`Key`] of the instance |
//! | exchange | `{prefix}.events` and `{prefix}.signals`, durable topic exchanges, one for each lane: all instances of one prefix publish to them |
//! | queue | `{prefix}.{queue}.events` and `{prefix}.{queue}.signals`, one for each lane that is received; `{prefix}.{queue}.events.dlq` and `….signals.dlq` keep what could not be read or used, see [Dead letters](#dead-letters) |
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
//! What cannot be read, what the application puts aside, and what a quorum queue has delivered 1,000
//! times (a lost connection counts as a delivery) goes to the dead-letter queue of its lane. That
//! holds at most 100,000 messages, of which the oldest go first, for 7 days: what is not looked at by
//! then is gone. RabbitMQ also dead-letters a message whose property `expiration` has passed. Ours
//! carry none, so that what is merely late does not push out what is wrong: a queue keeps what has
//! expired until its owner reads it, and the bus leaves it out.
//!
//! A message that breaks AMQP itself (a property or a header name that is not UTF-8, say) cannot be
//! put aside: the client library gives up the connection when it meets one, and meets it again. The
//! link says so; remove the message by hand.
//!
//! # On the wire
//!
//! For clients in other languages. The body is the event alone; `content_type` says how it is
//! encoded. The *lane* of a message is that of the exchange it was published to.
//!
//! | property | holds | if it is missing |
//! |---|---|---|
//! | `type` | the name of the event | the message is malformed |
//! | `message_id` | its id, a UUID of 36 characters; other text is hashed to one | a new id: repetitions are not told apart |
//! | `content_type` | the encoding of the body, such as `application/cbor` | `application/octet-stream` |
//! | `timestamp` | when it was published, in seconds | now |
//! | `app_id` | who published it | `unknown` |
//! | `correlation_id` | the conversation | the message's own id |
//! | `priority` | 0 to 10 | 0 |
//! | `delivery_mode` | 2: survives a restart of the broker | it does not |
//! | `expiration` | never sent, see [Dead letters](#dead-letters); read from others: milliseconds it had left to live when it was sent | see `algedonic-expires` |
//!
//! | header | type | holds |
//! |---|---|---|
//! | `algedonic-version` | integer | the version of the event's type; absent: 1 |
//! | `algedonic-origin` | text | the id of the bus that published it, a UUID |
//! | `algedonic-causation` | text | the id of the event whose handling published it |
//! | `algedonic-time` | integer | when it was published, in microseconds since 1970; finer than `timestamp` |
//! | `algedonic-expires` | integer | when it expires, in milliseconds since 1970; it goes before `expiration`, which does not count the time on the way. Absent, and no `expiration` either: it does not expire |
//! | `traceparent`, `tracestate` | text | W3C trace context |
//!
//! Integers of any AMQP type are understood. What cannot be read is dead-lettered.
//!
//! # Failure
//!
//! Two connections, one to publish and one to consume, so that a broker that blocks publishers
//! still takes acks. Each is made again after a loss: 100 ms apart for two seconds, then at random
//! times, the longer the outage the further apart, up to [`AmqpConfig::max_backoff`]. What the broker
//! refuses (credentials, permissions, a queue of the same name that differs) is retried from 5 s on,
//! and told by [`Link::error`](algedonic_transport::Link).
//!
//! The link is *up* only when all is well: both connections, and every lane on them. *Down* does not
//! say that nothing works. Each connection goes on without the other, and each lane without the
//! other, signals first: what is refused to one, such as its exchange or its queue, is that lane's
//! own affair, and tried again while the other one works. So with a link that is down because a queue
//! differs, messages are sent and confirmed on both lanes, and the other lane's arrive.
//! [`Transport::send`](algedonic_transport::Transport::send) answers `Unavailable` exactly when the
//! message's own lane cannot be published to.
//!
//! lapin 4.12 logs every returned message, with its body, as a warning: set its level to `error`
//! where that matters.
//!
//! [`Key`]: algedonic_transport::Key
//! [`Pattern`]: algedonic_transport::Pattern
//! [`Outcome::Confirmed`]: algedonic_transport::Outcome::Confirmed
//! [`Outcome::Rejected`]: algedonic_transport::Outcome::Rejected
//! [`Outcome::NotRouted`]: algedonic_transport::Outcome::NotRouted

#![forbid(unsafe_code)]
mod acks;
mod arrivals;
mod backoff;
mod cipher;
mod config;
mod connect;
mod consumer;
mod discreet;
mod env;
mod error;
mod gate;
mod greeting;
mod lanes;
mod link;
mod phase;
mod publisher;
mod socket;
mod stream;
mod supervisor;
mod tally;
mod tls;
mod topology;
mod transport;
mod uri;
mod window;
mod wire;

pub use self::{
    config::{AmqpConfig, QueueType, TopologyMode},
    tls::Tls,
    topology::Purpose,
    transport::Amqp,
};
