use std::{fmt, sync::Arc};

use tower::Layer;

use super::{RateLimit, RateLimitConfig, RateLimitHandle, shared::Shared};
use crate::resilience::{Builder, ConfigError, Name};

/// Puts a rate limit around services. All services of one layer and of its clones share it.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// use algedonic::resilience::rate_limit::{Error, RateLimitConfig, RateLimitLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limit = RateLimitLayer::named("llm", RateLimitConfig::default().burst(1))?;
/// let mut llm = ServiceBuilder::new()
///     .layer(limit)
///     .service(service_fn(|question: &'static str| async move {
///         Ok::<_, Infallible>(question.len())
///     }));
///
/// assert_eq!(llm.ready().await?.call("why?").await?, 4);
/// match llm.ready().await?.call("and?").await {
///     Err(Error::Limited(rejection)) => {
///         assert_eq!(rejection.retry_after(), Some(Duration::from_millis(100)));
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RateLimitLayer {
    shared: Arc<Shared>,
}

/// Makes a [`RateLimitLayer`], with all that is not in a configuration.
pub type RateLimitBuilder = Builder<RateLimitConfig>;

impl RateLimitLayer {
    /// A rate limit by the name of `rate_limit`.
    pub fn new(config: RateLimitConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A rate limit by this name.
    pub fn named(name: impl Into<Name>, config: RateLimitConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A rate limit with a name or an observer.
    pub const fn builder(config: RateLimitConfig) -> RateLimitBuilder {
        Builder::new("rate_limit", config, ())
    }

    /// To see it, and for what is no service.
    pub fn handle(&self) -> RateLimitHandle {
        RateLimitHandle::new(Arc::clone(&self.shared))
    }
}

impl RateLimitBuilder {
    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<RateLimitLayer, ConfigError> {
        self.config.validate()?;
        Ok(RateLimitLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter)),
        })
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for RateLimitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitLayer")
            .field(&self.handle())
            .finish()
    }
}
