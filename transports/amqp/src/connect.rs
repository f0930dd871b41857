//! How is one AMQP connection made, watched, and ended?

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use algedonic_transport::{Error, ErrorKind};
use async_compat::CompatExt;
use futures_core::Stream;
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use tokio::{
    net::lookup_host,
    time::{Instant, Interval, MissedTickBehavior, interval, timeout, timeout_at},
};

use crate::{
    AmqpConfig,
    cipher::Cipher,
    config::Address,
    discreet,
    error::{
        During, all_failed, ciphered, classify, hung_up, lost, misdirected, name_failed, timed_out,
        ungreeted, unreachable, unresolved,
    },
    greeting::{Heard, Version},
    guard::{Guarded, Limits},
    overheard::Overheard,
    part::{Part, Way},
    runtime::runtime,
    socket::{Cutter, dial},
};

/// A connection. Dropped, it is cut.
pub(crate) struct Session {
    connection: Connection,
    during: During,
    subject: String,
    version: Option<Version>,
    _cutter: Cutter,
}

/// The changes of one connection.
pub(crate) struct Changes {
    /// lapin's listeners share their events: this must stay the only one.
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    status: ConnectionStatus,
    /// An event says so at once; the state is looked at as well, so that a loss without an event is not
    /// missed for ever.
    look: Interval,
    during: During,
    subject: String,
}

/// By when something must be done, all of its steps together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    pub(crate) fn within(allowed: Duration) -> Self {
        Self {
            at: Instant::now() + allowed,
            allowed,
        }
    }

    /// What one of `parts` may take that come one after the other, when `done` of them are over: an
    /// equal part, and what those have left over.
    fn share(self, parts: usize, done: usize) -> Self {
        let of = |parts: usize| u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        let left = self.at.saturating_duration_since(Instant::now());
        Self {
            at: Instant::now() + left / of(parts - done),
            allowed: self.allowed / of(parts),
        }
    }

    /// Awaits one step. `subject` names it in the error.
    pub(crate) async fn step<T>(
        self,
        during: During,
        subject: &str,
        step: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Error> {
        let result = self.await_step(during, subject, step).await?;
        result.map_err(|error| classify(during, subject, &error))
    }

    /// Awaits one step that is none of lapin's.
    pub(crate) async fn await_step<T>(
        self,
        during: During,
        subject: &str,
        step: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let late = |_| timed_out(during, subject, self.allowed);
        timeout_at(self.at, step).await.map_err(late)
    }
}

/// How long it may take after a connection has ended until its event says why.
const TELLING: Duration = Duration::from_millis(100);

/// A change on a connection that lives.
pub(crate) enum Change {
    Blocked(String),
    Unblocked,
    Lost(Error),
}

impl Changes {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) -> Change {
        loop {
            let event = tokio::select! {
                event = poll_fn(|context| self.events.as_mut().poll_next(context)) => event,
                _ = self.look.tick() => {
                    if self.status.connected() {
                        continue;
                    }
                    return Change::Lost(lost(self.during, "the connection is closed"));
                }
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => return Change::Blocked(reason),
                Some(Event::ConnectionUnblocked) => return Change::Unblocked,
                // About a channel, which tells its owner itself.
                Some(Event::Error(error)) if error.is_amqp_soft_error() => {}
                Some(Event::Error(error)) => {
                    return Change::Lost(classify(self.during, &self.subject, &error));
                }
                Some(_) => {}
                None => return Change::Lost(lost(self.during, "the connection has ended")),
            }
        }
    }

    /// What has ended the connection, if something has: that says more than what `failed` because of it.
    pub(crate) async fn cause(&mut self, failed: Error) -> Error {
        if self.status.connected() {
            return failed;
        }
        let told = async {
            while let Some(event) = poll_fn(|context| self.events.as_mut().poll_next(context)).await
            {
                if let Event::Error(error) = event
                    && !error.is_amqp_soft_error()
                {
                    return Some(classify(self.during, &self.subject, &error));
                }
            }
            None
        };
        timeout(TELLING, told)
            .await
            .ok()
            .flatten()
            .unwrap_or(failed)
    }
}

impl Session {
    /// Connects within the configured deadline, which covers name resolution, TCP, TLS and the
    /// handshake, at every address together. Cancelled or late, it leaves neither socket nor thread
    /// behind.
    pub(crate) async fn open(config: &AmqpConfig, part: Part) -> Result<(Self, Changes), Error> {
        let addresses = config.addresses()?;
        let deadline = Deadline::within(config.connect_timeout);
        let mut errors = Vec::new();
        for (done, address) in addresses.iter().enumerate() {
            let share = deadline.share(addresses.len(), done);
            match Self::open_at(config, part, address, share).await {
                // All of a cluster know the same users.
                Err(error) if error.kind() == ErrorKind::Denied => return Err(error),
                Err(error) => errors.push(error),
                opened => return opened,
            }
        }
        Err(all_failed(errors))
    }

    /// Connects to one address by its name, which may stand for several by number.
    async fn open_at(
        config: &AmqpConfig,
        part: Part,
        address: &Address,
        deadline: Deadline,
    ) -> Result<(Self, Changes), Error> {
        let subject = subject(config, &address.to_string());
        let host = address.host.as_str();
        let found = deadline
            .await_step(During::Connect, &subject, lookup_host((host, address.port)))
            .await?
            .map_err(|error| unresolved(&subject, host, error))?;
        let found: Vec<SocketAddr> = found.collect();
        let mut errors = Vec::new();
        for (done, at) in found.iter().enumerate() {
            let subject = match found.len() {
                1 => subject.clone(),
                _ => self::subject(config, &format!("{address} ({})", at.ip())),
            };
            let share = deadline.share(found.len(), done);
            let opening = open(config, part, (host, *at), &subject);
            let opened = share.await_step(During::Connect, &subject, opening).await;
            match opened.flatten() {
                Err(error) if error.kind() == ErrorKind::Denied => return Err(error),
                Err(error) => errors.push(error),
                Ok(opened) => return Ok(Self::new(opened, part, address)),
            }
        }
        Err(name_failed(errors))
    }

    fn new(
        (connection, cutter, version): Opened,
        part: Part,
        address: &Address,
    ) -> (Self, Changes) {
        let during = part.during();
        let subject = address.to_string();
        let mut look = interval(Duration::from_millis(250));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let changes = Changes {
            look,
            events: Box::pin(connection.events_listener()),
            status: connection.status().clone(),
            during,
            subject: subject.clone(),
        };
        let session = Self {
            connection,
            during,
            subject,
            version,
            _cutter: cutter,
        };
        (session, changes)
    }

    /// Which RabbitMQ is at the other end, if it has said so.
    pub(crate) fn version(&self) -> Option<Version> {
        self.version
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// A new channel.
    pub(crate) async fn channel(&self, deadline: Deadline) -> Result<Channel, Error> {
        self.step(deadline, self.connection.create_channel()).await
    }

    /// The largest frame that both sides take, in bytes.
    pub(crate) fn frame_max(&self) -> usize {
        match self.connection.configuration().frame_max() {
            0 => usize::MAX,
            bytes => bytes as usize,
        }
    }

    /// Awaits one step on this connection.
    pub(crate) async fn step<T>(
        &self,
        deadline: Deadline,
        step: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Error> {
        deadline.step(self.during, &self.subject, step).await
    }

    /// Says goodbye to the broker, and cuts the connection when it does not answer in time.
    pub(crate) async fn close(self, cap: Duration) {
        let goodbye = self.connection.close(200, "OK".into());
        match timeout(cap, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %crate::error::words(&error), "connection cut");
            }
            Err(_) => tracing::debug!("connection cut: the broker did not answer the goodbye"),
        }
    }
}

type Opened = (Connection, Cutter, Option<Version>);

fn subject(config: &AmqpConfig, at: &str) -> String {
    let user = match &config.tls {
        Some(tls) if tls.external => "user of the certificate".to_owned(),
        _ => format!("user {}", config.uri.username.escape_debug()),
    };
    format!("{user} at {at}, vhost {}", config.uri.vhost.escape_debug())
}

async fn open(
    config: &AmqpConfig,
    part: Part,
    (host, at): (&str, SocketAddr),
    subject: &str,
) -> Result<Opened, Error> {
    let in_the_clear = !config.uri.tls && !at.ip().to_canonical().is_loopback();
    if in_the_clear && !config.allow_plaintext_login {
        return Err(misdirected(subject, at));
    }
    let cipher = Cipher::new(config, host, subject).await?;
    let (stream, cutter) = dial(at, 2 * config.heartbeat)
        .await
        .map_err(|error| unreachable(subject, error))?;
    let name = format!("algedonic {}.{} {part}", config.prefix, config.queue);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let uri = lapin_uri(config, part);
    let limits = Limits {
        frame_max: uri.query.frame_max.map_or(0, |bytes| bytes as usize),
        // What is a little too large is looked at, and put aside with the reason.
        body_max: 4 * config.max_body_bytes as u64,
    };
    let heard = Arc::new(OnceLock::new());
    let teller = heard.clone();
    let stream = Mutex::new(Some(stream));
    let connection = Connection::connector(
        uri,
        runtime(),
        async move |_, _| {
            // This is lapin's own thread, before it has anything to tell.
            discreet::hush_this_thread();
            // Asked for a second stream, lapin is reconnecting; that is our business.
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = stream.ok_or(lapin::ErrorKind::FutureCompleted)?;
            let stream = cipher
                .encrypt(AsyncTcpStream::Plain(stream.compat()))
                .await?;
            let stream = Overheard::new(stream, teller.clone());
            Ok(AsyncTcpStream::Plain(Guarded::new(stream, limits)))
        },
        properties,
    )
    .await
    .map_err(|error| match heard.get() {
        None if hung_up(&error) => ungreeted(config, subject, &error),
        Some(Heard::Tls) => ciphered(subject, &error),
        _ => classify(During::Connect, subject, &error),
    })?;
    let version = match heard.get() {
        Some(Heard::RabbitMq(version)) => Some(*version),
        _ => None,
    };
    Ok((connection, cutter, version))
}

fn lapin_uri(config: &AmqpConfig, part: Part) -> AMQPUri {
    let uri = &config.uri;
    // lapin keeps 64 buffers of this size for each connection, so less is better; but the properties of
    // a message come in one frame, and a publisher elsewhere may have agreed on the broker's 128 KiB.
    let frame_max = match part.way {
        Way::Publish | Way::Bury => 32 * 1024,
        Way::Consume => 128 * 1024,
    };
    let external = config.tls.as_ref().is_some_and(|tls| tls.external);
    AMQPUri {
        scheme: if uri.tls {
            AMQPScheme::AMQPS
        } else {
            AMQPScheme::AMQP
        },
        authority: AMQPAuthority {
            userinfo: if external {
                AMQPUserInfo {
                    username: String::new(),
                    password: String::new(),
                }
            } else {
                AMQPUserInfo {
                    username: uri.username.clone(),
                    password: uri.password.clone(),
                }
            },
            host: uri.host.clone(),
            port: uri.port,
        },
        vhost: uri.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(uri.frame_max.unwrap_or(frame_max)),
            channel_max: uri.channel_max,
            auth_mechanism: external.then_some(SASLMechanism::External),
            heartbeat: Some(u16::try_from(config.heartbeat.as_secs()).unwrap_or(u16::MAX)),
            ..AMQPQueryString::default()
        },
    }
}
