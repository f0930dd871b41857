//! How is one AMQP connection made, watched, and ended?

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use algedonic_transport::Error;
use async_compat::CompatExt;
use futures_core::Stream;
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ConnectionStatus, Event,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::time::{Instant, interval, timeout, timeout_at};

use crate::{
    AmqpConfig,
    error::{During, classify, lost, timed_out, unreachable},
    guard::{self, Guarded, Limits},
    link::Part,
    socket::{Cutter, dial},
};

/// A connection. Dropped, it is cut.
pub(crate) struct Session {
    connection: Connection,
    during: During,
    subject: String,
    _cutter: Cutter,
}

/// The changes of one connection.
pub(crate) struct Changes {
    /// lapin's listeners share their events: this must stay the only one.
    events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    status: ConnectionStatus,
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

/// A change on a connection that lives.
pub(crate) enum Change {
    Blocked(String),
    Unblocked,
    Lost(Error),
}

impl Changes {
    /// Waits for the next change.
    pub(crate) async fn next(&mut self) -> Change {
        // An event says so at once; the state is looked at as well, so that a loss without an
        // event is not missed for ever.
        let mut look = interval(Duration::from_millis(250));
        loop {
            let event = tokio::select! {
                event = poll_fn(|context| self.events.as_mut().poll_next(context)) => event,
                _ = look.tick() => {
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
}

impl Session {
    /// Connects within the configured deadline, which covers name resolution, TCP, TLS and the
    /// handshake. Cancelled or late, it leaves neither socket nor thread behind.
    pub(crate) async fn open(config: &AmqpConfig, part: Part) -> Result<(Self, Changes), Error> {
        let uri = &config.uri;
        let subject = format!(
            "user {} at {}:{}, vhost {}",
            uri.username.escape_debug(),
            uri.host,
            uri.port,
            uri.vhost.escape_debug()
        );
        let deadline = config.connect_timeout;
        match timeout(deadline, open(config, part, &subject)).await {
            Err(_) => Err(timed_out(During::Connect, &subject, deadline)),
            Ok(Err(error)) => Err(error),
            Ok(Ok((connection, cutter))) => {
                let during = match part {
                    Part::Publish => During::Publish,
                    Part::Consume => During::Consume,
                };
                let subject = format!("{}:{}", uri.host, uri.port);
                let changes = Changes {
                    events: Box::pin(connection.events_listener()),
                    status: connection.status().clone(),
                    during,
                    subject: subject.clone(),
                };
                let session = Self {
                    connection,
                    during,
                    subject,
                    _cutter: cutter,
                };
                Ok((session, changes))
            }
        }
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

async fn open(
    config: &AmqpConfig,
    part: Part,
    subject: &str,
) -> Result<(Connection, Cutter), Error> {
    let uri = &config.uri;
    let (stream, cutter) = dial(&uri.host, uri.port, 2 * config.heartbeat)
        .await
        .map_err(|error| unreachable(subject, error))?;
    let name = format!(
        "algedonic {}.{} {}",
        config.prefix,
        config.queue,
        part.as_str()
    );
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let uri = lapin_uri(config, part);
    let limits = Limits {
        frame_max: uri.query.frame_max.map_or(0, |bytes| bytes as usize),
        // What is a little too large is looked at, and put aside with the reason.
        body_max: 4 * config.max_body_bytes as u64,
    };
    let stream = Mutex::new(Some(stream));
    let connection = Connection::connector(
        uri,
        guard::runtime(limits),
        async move |uri, _| {
            // Asked for a second stream, lapin is reconnecting; that is our business.
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = stream.ok_or(lapin::ErrorKind::FutureCompleted)?;
            let stream = AsyncTcpStream::Plain(stream.compat());
            let stream = encrypt(stream, &uri).await?;
            Ok(AsyncTcpStream::Plain(Guarded::new(stream, limits)))
        },
        properties,
    )
    .await
    .map_err(|error| classify(During::Connect, subject, &error))?;
    Ok((connection, cutter))
}

type Socket = AsyncTcpStream<async_compat::Compat<tokio::net::TcpStream>>;

#[cfg(feature = "tls")]
async fn encrypt(stream: Socket, uri: &AMQPUri) -> lapin::Result<Socket> {
    match uri.scheme {
        AMQPScheme::AMQP => Ok(stream),
        AMQPScheme::AMQPS => {
            let config = lapin::tcp::OwnedTLSConfig::default();
            Ok(stream
                .into_tls(&uri.authority.host, config.as_ref())
                .await?)
        }
    }
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "it has the shape of the one with TLS")]
async fn encrypt(stream: Socket, uri: &AMQPUri) -> lapin::Result<Socket> {
    match uri.scheme {
        AMQPScheme::AMQP => Ok(stream),
        // The configuration refuses it; never fall through to speaking in the clear.
        AMQPScheme::AMQPS => Err(std::io::Error::from(std::io::ErrorKind::Unsupported).into()),
    }
}

fn lapin_uri(config: &AmqpConfig, part: Part) -> AMQPUri {
    let uri = &config.uri;
    // lapin keeps 64 buffers of this size for each connection, so less is better; but the properties of
    // a message come in one frame, and a publisher elsewhere may have agreed on the broker's 128 KiB.
    let frame_max = match part {
        Part::Publish => 32 * 1024,
        Part::Consume => 128 * 1024,
    };
    AMQPUri {
        scheme: if uri.tls {
            AMQPScheme::AMQPS
        } else {
            AMQPScheme::AMQP
        },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: uri.username.clone(),
                password: uri.password.clone(),
            },
            host: uri.host.clone(),
            port: uri.port,
        },
        vhost: uri.vhost.clone(),
        query: AMQPQueryString {
            frame_max: Some(uri.frame_max.unwrap_or(frame_max)),
            channel_max: uri.channel_max,
            heartbeat: Some(u16::try_from(config.heartbeat.as_secs()).unwrap_or(u16::MAX)),
            ..AMQPQueryString::default()
        },
    }
}
