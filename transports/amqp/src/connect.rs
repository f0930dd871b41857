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
    AsyncTcpStream, Channel, Connection, ConnectionProperties, Event,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo},
};
use tokio::time::{interval, timeout};

use crate::{
    AmqpConfig,
    error::{During, classify, lost, timed_out, unreachable},
    link::Part,
    socket::{Cutter, dial},
};

/// A connection. Dropped, it is cut.
pub(crate) struct Session {
    connection: Connection,
    /// lapin's listeners share their events: this must stay the only one. In a mutex, which is
    /// never locked, because the stream cannot be shared otherwise.
    events: Mutex<Pin<Box<dyn Stream<Item = Event> + Send>>>,
    during: During,
    subject: String,
    deadline: Duration,
    _cutter: Cutter,
}

/// A change on a connection that lives.
pub(crate) enum Change {
    Blocked(String),
    Unblocked,
    Lost(Error),
}

impl Session {
    /// Connects within the configured deadline, which covers name resolution, TCP, TLS and the
    /// handshake. Cancelled or late, it leaves neither socket nor thread behind.
    pub(crate) async fn open(config: &AmqpConfig, part: Part) -> Result<Self, Error> {
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
            Ok(Ok((connection, cutter))) => Ok(Self {
                events: Mutex::new(Box::pin(connection.events_listener())),
                connection,
                during: match part {
                    Part::Publish => During::Publish,
                    Part::Consume => During::Consume,
                },
                subject: format!("{}:{}", uri.host, uri.port),
                deadline,
                _cutter: cutter,
            }),
        }
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, Error> {
        self.within(self.connection.create_channel()).await
    }

    /// Awaits an operation on this connection, for as long as connecting may take.
    pub(crate) async fn within<T>(
        &self,
        operation: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, Error> {
        match timeout(self.deadline, operation).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(classify(self.during, &self.subject, &error)),
            Err(_) => Err(timed_out(self.during, &self.subject, self.deadline)),
        }
    }

    /// Waits for a change of the connection.
    pub(crate) async fn change(&mut self) -> Change {
        // An event says so at once; the state is looked at as well, so that a loss without an
        // event is not missed for ever.
        let mut look = interval(Duration::from_millis(250));
        let events = self
            .events
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let event = tokio::select! {
                event = poll_fn(|context| events.as_mut().poll_next(context)) => event,
                _ = look.tick() => {
                    if self.connection.status().connected() {
                        continue;
                    }
                    return Change::Lost(lost(self.during, "the connection is closed"));
                }
            };
            match event {
                Some(Event::ConnectionBlocked(reason)) => return Change::Blocked(reason),
                Some(Event::ConnectionUnblocked) => return Change::Unblocked,
                Some(Event::Error(error)) => {
                    return Change::Lost(classify(self.during, &self.subject, &error));
                }
                Some(_) => {}
                None => return Change::Lost(lost(self.during, "the connection has ended")),
            }
        }
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
    let runtime = lapin::runtime::default_runtime()
        .map_err(|error| classify(During::Connect, subject, &error))?;
    let stream = Mutex::new(Some(stream));
    let connection = Connection::connector(
        lapin_uri(config),
        runtime,
        async move |uri, _| {
            // Asked for a second stream, lapin is reconnecting; that is our business.
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            let stream = stream.ok_or(lapin::ErrorKind::FutureCompleted)?;
            let stream = AsyncTcpStream::Plain(stream.compat());
            encrypt(stream, &uri).await
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

fn lapin_uri(config: &AmqpConfig) -> AMQPUri {
    let uri = &config.uri;
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
            // lapin keeps 64 buffers of this size for each connection.
            frame_max: Some(uri.frame_max.unwrap_or(32 * 1024)),
            channel_max: uri.channel_max,
            heartbeat: Some(u16::try_from(config.heartbeat.as_secs()).unwrap_or(u16::MAX)),
            ..AMQPQueryString::default()
        },
    }
}
