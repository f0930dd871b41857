use std::{fmt, sync::Arc, time::Duration};

use tower::Layer;

use super::{AsConfigured, Timeout, TimeoutConfig, TimeoutHandle, shared::Shared};
use crate::resilience::{Builder, ConfigError, Name};

/// Puts a timeout around services.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// use algedonic::resilience::timeout::{Covers, Error, TimeoutConfig, TimeoutLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = TimeoutConfig::attempt(Duration::from_secs(2));
/// let mut pricing = ServiceBuilder::new()
///     .layer(TimeoutLayer::named("pricing", config)?)
///     .service(service_fn(|article: u64| async move {
///         tokio::time::sleep(Duration::from_secs(article)).await;
///         Ok::<_, Infallible>(article * 100)
///     }));
///
/// assert_eq!(pricing.ready().await?.call(1).await?, 100);
/// match pricing.ready().await?.call(3).await {
///     Err(Error::Elapsed(elapsed)) => {
///         assert_eq!(elapsed.covers(), Covers::Attempt);
///         assert_eq!(elapsed.to_string(), "pricing: an attempt took longer than 2s");
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TimeoutLayer<L = AsConfigured> {
    shared: Arc<Shared>,
    limit: L,
}

/// Makes a [`TimeoutLayer`], with all that is not in a configuration.
pub type TimeoutBuilder<L = AsConfigured> = Builder<TimeoutConfig, Extra<L>>;

/// What a [`TimeoutBuilder`] has that others have not.
#[derive(Clone, Debug)]
pub struct Extra<L> {
    limit: L,
}

impl TimeoutLayer {
    /// A timeout by the name of `timeout`.
    pub fn new(config: TimeoutConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A timeout by this name.
    pub fn named(name: impl Into<Name>, config: TimeoutConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A timeout with a name, an observer, or a limit of each request.
    pub const fn builder(config: TimeoutConfig) -> TimeoutBuilder {
        let extra = Extra {
            limit: AsConfigured,
        };
        Builder::new("timeout", config, extra)
    }
}

impl<L> TimeoutLayer<L> {
    /// To see it, and for what is no service.
    pub fn handle(&self) -> TimeoutHandle {
        TimeoutHandle::new(&self.shared)
    }
}

impl<L> TimeoutBuilder<L> {
    /// How long a request itself allows; where that is shorter than what is configured it counts.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use algedonic::resilience::timeout::{TimeoutConfig, TimeoutLayer};
    /// # struct Question { patience: Option<Duration> }
    /// let timeout = TimeoutLayer::builder(TimeoutConfig::default())
    ///     .limit_by(|question: &Question| question.patience)
    ///     .build()?;
    /// # Ok::<_, algedonic::resilience::ConfigError>(())
    /// ```
    pub fn limit_by<Request, F>(self, limit: F) -> TimeoutBuilder<F>
    where
        F: Fn(&Request) -> Option<Duration>,
    {
        self.limit(limit)
    }

    /// The same with a [`Limit`](super::Limit) that has a name.
    pub fn limit<M>(self, limit: M) -> TimeoutBuilder<M> {
        self.with(|_| Extra { limit })
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<TimeoutLayer<L>, ConfigError> {
        self.config.validate()?;
        Ok(TimeoutLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter)),
            limit: self.extra.limit,
        })
    }
}

impl<S, L: Clone> Layer<S> for TimeoutLayer<L> {
    type Service = Timeout<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout::new(inner, self.limit.clone(), &self.shared)
    }
}

impl<L> fmt::Debug for TimeoutLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimeoutLayer").field(&self.handle()).finish()
    }
}
