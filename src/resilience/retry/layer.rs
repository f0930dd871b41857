use std::{fmt, sync::Arc};

use tower::Layer;

use super::{
    ByVerdict, Decision, EveryError, RejectionsToo, Retry, RetryConfig, RetryHandle, shared::Shared,
};
use crate::resilience::{Builder, Classified, ConfigError, Name};

/// Tries calls of services again. All services of one layer and of its clones share one budget.
///
/// ```
/// # use std::{io, sync::atomic::{AtomicU32, Ordering}};
/// use algedonic::resilience::retry::{RetryConfig, RetryLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # static ATTEMPTS: AtomicU32 = AtomicU32::new(0);
/// let retry = RetryLayer::named("pricing", RetryConfig::external_api())?;
/// let handle = retry.handle();
/// let mut pricing = ServiceBuilder::new()
///     .layer(retry)
///     .service(service_fn(|article: u64| async move {
///         match ATTEMPTS.fetch_add(1, Ordering::Relaxed) {
///             0 | 1 => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
///             _ => Ok(article * 100),
///         }
///     }));
///
/// assert_eq!(pricing.ready().await?.call(7).await?, 700);
/// assert_eq!(handle.status().retries, 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RetryLayer<C = ByVerdict> {
    shared: Arc<Shared>,
    classifier: C,
}

/// Makes a [`RetryLayer`], with all that is not in a configuration.
pub type RetryBuilder<C = ByVerdict> = Builder<RetryConfig, Classified<C>>;

impl RetryLayer {
    /// A retry by the name of `retry`.
    pub fn new(config: RetryConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A retry by this name.
    pub fn named(name: impl Into<Name>, config: RetryConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A retry with a name, an observer or a classifier.
    pub const fn builder(config: RetryConfig) -> RetryBuilder {
        Builder::new("retry", config, Classified::by(ByVerdict))
    }
}

impl<C> RetryLayer<C> {
    /// To see it.
    pub fn handle(&self) -> RetryHandle {
        RetryHandle::new(&self.shared)
    }

    /// What its services share, for a retry of another kind.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl<C> RetryBuilder<C> {
    /// What is to be done about the outcome of an attempt; default [`ByVerdict`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use algedonic::resilience::retry::{Decision, RetryConfig, RetryLayer};
    /// # struct Answer { status: u16, retry_after: Duration }
    /// let retry = RetryLayer::builder(RetryConfig::default())
    ///     .classify(|result: Result<&Answer, &std::io::Error>| match result {
    ///         Ok(answer) if answer.status == 429 => Decision::RetryAfter(answer.retry_after),
    ///         Ok(answer) if answer.status == 503 => Decision::Retry,
    ///         Ok(_) => Decision::Return,
    ///         Err(_) => Decision::Retry,
    ///     })
    ///     .build()?;
    /// # Ok::<_, algedonic::resilience::ConfigError>(())
    /// ```
    pub fn classify<T, E, F>(self, classifier: F) -> RetryBuilder<F>
    where
        F: Fn(Result<&T, &E>) -> Decision,
    {
        self.classifier(classifier)
    }

    /// Tries again what a layer inside refused, too; never before it said.
    pub fn rejections_too(self) -> RetryBuilder<RejectionsToo> {
        self.classifier(RejectionsToo)
    }

    /// Tries every error again, whatever it is.
    pub fn every_error(self) -> RetryBuilder<EveryError> {
        self.classifier(EveryError)
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<RetryLayer<C>, ConfigError> {
        self.config.validate()?;
        Ok(RetryLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter, self.extra.seed)),
            classifier: self.extra.classifier,
        })
    }
}

impl<S: Clone, C: Clone> Layer<S> for RetryLayer<C> {
    type Service = Retry<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, &self.shared, self.classifier.clone())
    }
}

impl<C> fmt::Debug for RetryLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RetryLayer").field(&self.handle()).finish()
    }
}
