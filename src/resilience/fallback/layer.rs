use std::{fmt, sync::Arc};

use tower::Layer;

use super::{
    Another, ByKind, EveryError, Fallback, FallbackConfig, FallbackHandle, Inspected, Recover,
    Respond, shared::Shared,
};
use crate::resilience::{Builder, ConfigError};

/// Puts a fallback behind services.
///
/// ```
/// # use std::io;
/// use algedonic::resilience::fallback::{FallbackConfig, FallbackLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let fallback = FallbackLayer::builder(FallbackConfig::default())
///     .name("pricing")
///     .respond(|_: &io::Error| 100)
///     .inspect(|error: &io::Error| eprintln!("the usual price, because of: {error}"))
///     .build()?;
/// let handle = fallback.handle();
/// let mut pricing = ServiceBuilder::new()
///     .layer(fallback)
///     .service(service_fn(|article: u64| async move {
///         match article {
///             7 => Ok(120),
///             _ => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
///         }
///     }));
///
/// assert_eq!(pricing.ready().await?.call(7).await?, 120);
/// assert_eq!(pricing.ready().await?.call(8).await?, 100);
/// assert_eq!(handle.status().answered, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FallbackLayer<B = (), W = ByKind> {
    shared: Arc<Shared>,
    backup: B,
    takes: W,
}

/// Makes a [`FallbackLayer`]: with one of [`respond`](FallbackBuilder::respond),
/// [`recover`](FallbackBuilder::recover) and [`service`](FallbackBuilder::service), and then what else is not in a
/// configuration.
pub type FallbackBuilder<E = ()> = Builder<FallbackConfig, E>;

/// What a [`FallbackBuilder`] has that others have not.
#[derive(Clone, Debug)]
pub struct Extra<B, W = ByKind> {
    backup: B,
    takes: W,
}

impl FallbackLayer {
    /// A fallback by the name of `fallback`.
    pub const fn builder(config: FallbackConfig) -> FallbackBuilder {
        Builder::new("fallback", config, ())
    }
}

impl<B, W> FallbackLayer<B, W> {
    /// To see it.
    pub fn handle(&self) -> FallbackHandle {
        FallbackHandle::new(Arc::clone(&self.shared))
    }
}

impl FallbackBuilder {
    /// Answers by a function of the error: a default, the last good answer. The request is not cloned.
    pub fn respond<E, T, F>(self, respond: F) -> FallbackBuilder<Extra<Respond<F>>>
    where
        F: Fn(&E) -> T,
    {
        self.by(Respond(respond))
    }

    /// Answers by a function of the request and the error; it gives a future of a `Result`. Each request is
    /// cloned once.
    ///
    /// ```
    /// # use std::io;
    /// # use algedonic::resilience::fallback::{FallbackConfig, FallbackLayer};
    /// # async fn from_cache(article: u64) -> Result<u64, &'static str> { Ok(article) }
    /// let fallback = FallbackLayer::builder(FallbackConfig::default())
    ///     .recover(|article: u64, _: &io::Error| from_cache(article))
    ///     .build()?;
    /// # Ok::<_, algedonic::resilience::ConfigError>(())
    /// ```
    pub fn recover<Request, E, F, Answer>(self, recover: F) -> FallbackBuilder<Extra<Recover<F>>>
    where
        F: Fn(Request, &E) -> Answer,
        Answer: Future,
    {
        self.by(Recover(recover))
    }

    /// Answers by another service of the same requests and responses. Each request is cloned once; the service is
    /// cloned for each call that it has to answer, and asked whether it is ready first.
    pub fn service<S>(self, service: S) -> FallbackBuilder<Extra<Another<S>>> {
        self.by(Another::new(service))
    }

    /// The same with a [`Backup`](super::Backup) of one's own.
    pub fn by<B>(self, backup: B) -> FallbackBuilder<Extra<B>> {
        let takes = ByKind::new(&self.config);
        self.with(|()| Extra { backup, takes })
    }
}

impl<B, W> FallbackBuilder<Extra<B, W>> {
    /// Which errors it answers; by default those of the kinds that are [configured](FallbackConfig::kinds).
    pub fn when<E, F>(self, takes: F) -> FallbackBuilder<Extra<B, F>>
    where
        F: Fn(&E) -> bool,
    {
        self.takes(takes)
    }

    /// Answers every error, whatever it is.
    pub fn every_error(self) -> FallbackBuilder<Extra<B, EveryError>> {
        self.takes(EveryError)
    }

    /// The same with a [`Takes`](super::Takes) that has a name.
    pub fn takes<V>(self, takes: V) -> FallbackBuilder<Extra<B, V>> {
        self.with(|Extra { backup, .. }| Extra { backup, takes })
    }

    /// Shows each error that is going to be answered to a function, before it is. What panics there goes on to
    /// the caller, who is not answered.
    pub fn inspect<E, F>(self, inspect: F) -> FallbackBuilder<Extra<B, Inspected<W, F>>>
    where
        F: Fn(&E),
    {
        self.with(|Extra { backup, takes }| Extra {
            backup,
            takes: Inspected { takes, inspect },
        })
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<FallbackLayer<B, W>, ConfigError> {
        self.config.validate()?;
        Ok(FallbackLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter)),
            backup: self.extra.backup,
            takes: self.extra.takes,
        })
    }
}

impl<S, B: Clone, W: Clone> Layer<S> for FallbackLayer<B, W> {
    type Service = Fallback<S, B, W>;

    fn layer(&self, inner: S) -> Self::Service {
        let (backup, takes) = (self.backup.clone(), self.takes.clone());
        Fallback::new(inner, backup, takes, Arc::clone(&self.shared))
    }
}

impl<B, W> fmt::Debug for FallbackLayer<B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FallbackLayer")
            .field(&self.handle())
            .finish()
    }
}
