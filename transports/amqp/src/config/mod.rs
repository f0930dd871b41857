//! How is the transport set up, and which settings can work together?

use std::time::Duration;

use algedonic_transport::{Error, ErrorKind, EventId};

use crate::{Tls, backoff::Pauses, uri::Uri, wire::WireForm};

mod addresses;
mod audit;
mod commands;
mod queues;
mod security;
#[cfg(test)]
mod tests;
mod validate;

pub use audit::AuditQueue;
pub use commands::CommandQueue;
pub use queues::{QueueType, TopologyMode};
pub(crate) use {addresses::Address, security::is_loopback};

/// How the transport reaches RabbitMQ, and the names and limits it uses there.
///
/// Made from a URL ([`new`](Self::new)) or from the environment ([`from_env`](Self::from_env)),
/// then refined by chained setters. [`Amqp::new`](crate::Amqp::new) checks the whole. `Debug`
/// does not show the password.
///
/// | setting | default | limits |
/// |---|---|---|
/// | [`prefix`](Self::prefix) | `algedonic` | a key of at most 100 bytes, not `amq` |
/// | [`queue`](Self::queue) | anonymous | at most 100 bytes, no control characters |
/// | [`exchange`](Self::exchange) | `{prefix}.events` … | a key of at most 100 bytes, not `amq` |
/// | [`queue_type`](Self::queue_type) | quorum | not of signals |
/// | [`topology_mode`](Self::topology_mode) | declare | expect needs a `queue` name |
/// | [`message_ttl`](Self::message_ttl) | none | 1 s to 30 days; not of signals |
/// | [`max_length`](Self::max_length) | none | at least 1; not of signals |
/// | [`audit`](Self::audit) | `{prefix}.algedonic.signals` | see [`AuditQueue`] |
/// | [`commands`](Self::commands) | see [`CommandQueue`] | |
/// | [`fallback`](Self::fallback) | none | at most 15 addresses |
/// | [`tls`](Self::tls) | the system's authorities | with `amqps://` only |
/// | [`allow_plaintext_login`](Self::allow_plaintext_login) | no | |
/// | [`connect_timeout`](Self::connect_timeout) | 5 s | 100 ms to 5 min |
/// | [`heartbeat`](Self::heartbeat) | 10 s | whole seconds, 1 s to 1 h |
/// | [`confirm_timeout`](Self::confirm_timeout) | 5 s | 10 ms to less than 2 heartbeats |
/// | [`max_backoff`](Self::max_backoff) | 30 s | 100 ms to 1 h |
/// | [`backoff_schedule`](Self::backoff_schedule) | none | at least one, each 10 ms to 1 h |
/// | [`publish_connections`](Self::publish_connections) | 1 | 1 to 16 |
/// | [`max_unconfirmed_bytes`](Self::max_unconfirmed_bytes) | 64 MiB | `max_body_bytes` to 1 GiB |
/// | [`window`](Self::window) | 512 | 1 to 4096 |
/// | [`prefetch`](Self::prefetch) | 100 | 1 to 2000 |
/// | [`max_attempts`](Self::max_attempts) | 500 | 2 to 1000 |
/// | [`max_body_bytes`](Self::max_body_bytes) | 256 KiB | 1 byte to 16 MiB |
/// | [`wire_form`](Self::wire_form) | open | |
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    pub(crate) uri: Uri,
    pub(crate) prefix: String,
    pub(crate) queue: String,
    pub(crate) anonymous: bool,
    pub(crate) exchanges: [Option<String>; 3],
    pub(crate) queue_type: QueueType,
    pub(crate) topology_mode: TopologyMode,
    pub(crate) message_ttl: Option<Duration>,
    pub(crate) max_length: Option<u32>,
    pub(crate) audit: Option<AuditQueue>,
    pub(crate) commands: CommandQueue,
    pub(crate) fallbacks: Vec<String>,
    pub(crate) tls: Option<Tls>,
    pub(crate) allow_plaintext_login: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) confirm_timeout: Duration,
    pub(crate) reconnect: Pauses,
    pub(crate) publish_connections: usize,
    pub(crate) max_unconfirmed_bytes: usize,
    pub(crate) window: usize,
    pub(crate) prefetch: u16,
    pub(crate) max_attempts: u32,
    pub(crate) max_body_bytes: usize,
    pub(crate) wire_form: WireForm,
}

impl AmqpConfig {
    /// The settings for the broker at
    /// `amqp[s]://[user[:password]@]host[:port][/vhost][?key=value&…]`.
    ///
    /// User, password and vhost are percent-encoded. A missing path and the path `/` alone both
    /// mean the vhost `/`. Known query keys: `heartbeat` (seconds), `connection_timeout`
    /// (milliseconds), `frame_max` (8192 bytes to 1 MiB), `channel_max`; any other is an error, so
    /// that a setting that is not understood is never silently without effect.
    ///
    /// # Errors
    ///
    /// `Misconfigured` for a URL that breaks a rule; `Unsupported` for `amqps://` in a build
    /// without the feature `tls`.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::from_uri(Uri::parse(url)?)
    }

    pub(crate) fn from_uri(uri: Uri) -> Result<Self, Error> {
        if uri.tls && cfg!(not(feature = "tls")) {
            return Err(Error::permanent(
                ErrorKind::Unsupported,
                "use an amqps:// URL in a build without TLS",
            )
            .with_advice("enable the feature amqp-tls of algedonic"));
        }
        Ok(Self {
            connect_timeout: uri.connection_timeout.unwrap_or(Duration::from_secs(5)),
            heartbeat: uri.heartbeat.unwrap_or(Duration::from_secs(10)),
            uri,
            prefix: "algedonic".to_owned(),
            queue: EventId::new().to_string(),
            anonymous: true,
            exchanges: [None, None, None],
            queue_type: QueueType::default(),
            topology_mode: TopologyMode::default(),
            message_ttl: None,
            max_length: None,
            audit: Some(AuditQueue::new()),
            commands: CommandQueue::new(),
            fallbacks: Vec::new(),
            tls: None,
            allow_plaintext_login: false,
            confirm_timeout: Duration::from_secs(5),
            reconnect: Pauses::UpTo(Duration::from_secs(30)),
            publish_connections: 1,
            max_unconfirmed_bytes: 64 * 1024 * 1024,
            window: 512,
            prefetch: 100,
            max_attempts: 500,
            max_body_bytes: 256 * 1024,
            wire_form: WireForm::default(),
        })
    }

    /// The settings that the environment asks for.
    ///
    /// `ALGEDONIC_AMQP_URL`, if set, says it all; otherwise `ALGEDONIC_AMQP__HOST`, `__PORT`,
    /// `__USERNAME`, `__PASSWORD` and `__VHOST` do, each with its usual default (`localhost`,
    /// 5672, `guest`, `guest`, `/`). `ALGEDONIC_AMQP__PASSWORD_FILE` names a file to read the
    /// password from; a line end at its end does not count. `ALGEDONIC_AMQP__TLS=true` means
    /// `amqps://` and the port 5671.
    ///
    /// These count beside a URL too: `ALGEDONIC_AMQP__TLS_AUTHORITY_FILE` for
    /// [`Tls::authority_file`], and `ALGEDONIC_AMQP__ALLOW_PLAINTEXT_LOGIN=true` for
    /// [`allow_plaintext_login`](Self::allow_plaintext_login).
    ///
    /// # Errors
    ///
    /// `Misconfigured`, naming the variable; `Unsupported` for TLS in a build without the feature
    /// `tls`.
    pub fn from_env() -> Result<Self, Error> {
        crate::env::read(|name| std::env::var_os(name))
    }

    /// What every name on the broker begins with: instances that share a prefix hear each other.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The name of this instance, and so of its queues. A named queue is durable: it collects
    /// messages for as long as its owner is away. Without a name the queues are called by a fresh
    /// UUID, and the broker drops them 30 minutes after their owner has gone.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = queue.into();
        self.anonymous = false;
        self
    }

    /// How long name resolution, TCP, TLS and the AMQP handshake may take together, at all addresses
    /// ([`fallback`](Self::fallback)) together. After that each
    /// lane has this long once more for all that it declares, its bindings included, and for its
    /// channel: a dozen round trips for signals, fewer for the others, so that the default is enough
    /// for a broker 300 ms away.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The interval of heartbeats; a peer that is silent for two of them is given up. The broker
    /// may ask for less.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// How long a message may wait for its outcome before that is `Unknown`.
    pub fn confirm_timeout(mut self, timeout: Duration) -> Self {
        self.confirm_timeout = timeout;
        self
    }

    /// The longest pause between two attempts to connect. The pause is 100 ms for the first two
    /// seconds after a loss; then it is at random up to half of the time that has passed since, and
    /// never more than this. After an error that waiting does not mend, such as a refused login, the
    /// pause is 5 s at first and twice as long each time, up to this, and at least 5 s.
    pub fn max_backoff(mut self, longest: Duration) -> Self {
        self.reconnect = Pauses::UpTo(longest);
        self
    }

    /// The pauses between attempts to connect, exactly: the first after a loss, the second after that
    /// attempt, and so on; the last one again and again. In place of
    /// [`max_backoff`](Self::max_backoff), for who needs 1, 2, 4, 8, 16, 30 s to the letter; many
    /// instances that lose one broker then also come back in one moment. After an error that waiting
    /// does not mend, such as a refused login, the pause is 5 s at least all the same.
    pub fn backoff_schedule(mut self, pauses: impl IntoIterator<Item = Duration>) -> Self {
        self.reconnect = Pauses::Exactly(pauses.into_iter().collect());
        self
    }

    /// How many connections publish events. An event goes by the one that its key selects, so the order
    /// of one key is kept. One is enough for a classic queue; with quorum queues two carried about 30 %
    /// more. Signals have a connection of their own in any case, commands from the first one on, and so has
    /// each lane that is received.
    pub fn publish_connections(mut self, connections: usize) -> Self {
        self.publish_connections = connections;
        self
    }

    /// How many bytes of bodies may await their outcome at once on each lane.
    pub fn max_unconfirmed_bytes(mut self, bytes: usize) -> Self {
        self.max_unconfirmed_bytes = bytes;
        self
    }

    /// How many messages may await their outcome at once on each lane.
    pub fn window(mut self, messages: usize) -> Self {
        self.window = messages;
        self
    }

    /// How many unsettled events the broker may have with us, and how many unsettled signals of each level:
    /// so many that are less urgent may be on their way when one that is more urgent comes, and it is read before
    /// them. Of commands it is fewer ([`CommandQueue::prefetch`]).
    pub fn prefetch(mut self, messages: u16) -> Self {
        self.prefetch = messages;
        self
    }

    /// How often one event or signal is delivered to the application
    /// ([`CommandQueue::max_attempts`] for commands). The next time it is dead-lettered
    /// instead, since whoever gave it back so often will do so for ever.
    ///
    /// A lost connection counts as well: the default, half of what a quorum queue allows before the
    /// broker itself gives a message up, is more than a bad day has. On a classic queue nobody
    /// counts but this process, for the 10,000 messages that were given back last: a message is known
    /// again by all that it holds, with an id or without. Another instance counts for itself, and a
    /// process that is started again begins at 2.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The largest body, in bytes, sent or received. A larger one that arrives is dead-lettered.
    ///
    /// A body of more than four times as many bytes is not even received: RabbitMQ moves it to the
    /// dead-letter queue itself, without the reason. So up to [`prefetch`](Self::prefetch) bodies of
    /// four times this size may be in memory at once, on each lane.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = bytes;
        self
    }

    /// How messages are written. Each form is read, whatever this is.
    pub fn wire_form(mut self, form: WireForm) -> Self {
        self.wire_form = form;
        self
    }
}
