//! What encrypts a connection, or does not?

use algedonic_transport::Error;
#[cfg(not(feature = "tls"))]
use algedonic_transport::ErrorKind;

#[cfg(feature = "tls")]
use crate::error;
use crate::{AmqpConfig, overheard::Clear};

/// What encrypts a connection, or does not.
pub(crate) enum Cipher {
    None,
    #[cfg(feature = "tls")]
    Tls(lapin::tcp::RustlsConnector, String),
}

#[cfg(feature = "tls")]
impl Cipher {
    pub(crate) async fn new(config: &AmqpConfig, host: &str, subject: &str) -> Result<Self, Error> {
        if !config.uri.tls {
            return Ok(Self::None);
        }
        let tls = config.tls.clone().unwrap_or_default();
        // Made anew each time: it reads files, which may have been renewed.
        let connector = tokio::task::spawn_blocking(move || tls.connector()).await;
        let connector = connector
            .map_err(|error| error::lost(error::During::Connect, format!("{subject}: {error}")))
            .flatten()?;
        Ok(Self::Tls(connector, host.to_owned()))
    }

    pub(crate) async fn encrypt(&self, stream: Clear) -> lapin::Result<Clear> {
        match self {
            Self::None => Ok(stream),
            Self::Tls(connector, host) => Ok(stream.into_rustls(connector, host).await?),
        }
    }
}

#[cfg(not(feature = "tls"))]
#[expect(clippy::unused_async, reason = "it has the shape of the one with TLS")]
impl Cipher {
    pub(crate) async fn new(config: &AmqpConfig, _: &str, subject: &str) -> Result<Self, Error> {
        // The configuration refuses it; never fall through to speaking in the clear.
        if config.uri.tls {
            return Err(
                Error::permanent(ErrorKind::Unsupported, "connect to RabbitMQ")
                    .with_detail(format!("{subject}: this build has no TLS")),
            );
        }
        Ok(Self::None)
    }

    pub(crate) async fn encrypt(&self, stream: Clear) -> lapin::Result<Clear> {
        match self {
            Self::None => Ok(stream),
        }
    }
}
