use std::{fmt, sync::Arc};

use tower::Layer;

use super::{Breaker, BreakerConfig, BreakerHandle, ByKind, EveryError, Outcome, shared::Shared};
use crate::resilience::{Builder, Classified, ConfigError, Name};

/// Puts a breaker around services. All services of one layer and of its clones share one state.
///
/// ```
/// # use std::convert::Infallible;
/// use algedonic::resilience::breaker::{BreakerConfig, BreakerLayer, State};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let breaker = BreakerLayer::named("pricing", BreakerConfig::default())?;
/// let handle = breaker.handle();
/// let mut pricing = ServiceBuilder::new()
///     .layer(breaker)
///     .service(service_fn(|article: u64| async move { Ok::<_, Infallible>(article * 100) }));
///
/// assert_eq!(pricing.ready().await?.call(7).await?, 700);
/// assert_eq!(handle.state(), State::Closed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BreakerLayer<C = ByKind> {
    shared: Arc<Shared>,
    classifier: C,
}

/// Makes a [`BreakerLayer`], with all that is not in a configuration.
pub type BreakerBuilder<C = ByKind> = Builder<BreakerConfig, Classified<C>>;

impl BreakerLayer {
    /// A breaker by the name of `breaker`.
    pub fn new(config: BreakerConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A breaker by this name.
    pub fn named(name: impl Into<Name>, config: BreakerConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A breaker with a name, an observer or a classifier.
    pub const fn builder(config: BreakerConfig) -> BreakerBuilder {
        Builder::new("breaker", config, Classified::by(ByKind))
    }
}

impl<C> BreakerLayer<C> {
    /// To see and to control it.
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(&self.shared))
    }
}

impl<C> BreakerBuilder<C> {
    /// What the outcome of a call means; default [`ByKind`].
    ///
    /// ```
    /// # use algedonic::resilience::breaker::{BreakerConfig, BreakerLayer, Outcome};
    /// # struct Answer { status: u16 }
    /// let breaker = BreakerLayer::builder(BreakerConfig::default())
    ///     .classify(|result: Result<&Answer, &std::io::Error>| match result {
    ///         Ok(answer) if answer.status >= 500 => Outcome::Failure,
    ///         Ok(_) => Outcome::Success,
    ///         Err(_) => Outcome::Failure,
    ///     })
    ///     .build()?;
    /// # Ok::<_, algedonic::resilience::ConfigError>(())
    /// ```
    pub fn classify<T, E, F>(self, classifier: F) -> BreakerBuilder<F>
    where
        F: Fn(Result<&T, &E>) -> Outcome,
    {
        self.classifier(classifier)
    }

    /// Counts every error as a failure, whatever it is.
    pub fn every_error(self) -> BreakerBuilder<EveryError> {
        self.classifier(EveryError)
    }

    /// Counts the calls that succeed and those that say nothing, too: [`BreakerStatus::others`]. Failures and
    /// rejections are counted always.
    ///
    /// Default no: by the [rule](super::Trip) that is the default a call that succeeds writes nothing but this. Who
    /// makes breakers by a [registry](crate::resilience::registry) has it.
    ///
    /// [`BreakerStatus::others`]: super::BreakerStatus::others
    pub const fn count_calls(mut self) -> Self {
        self.extra.counts_calls = true;
        self
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<BreakerLayer<C>, ConfigError> {
        self.config.validate()?;
        Ok(BreakerLayer {
            shared: Arc::new(Shared::new(
                self.config,
                self.reporter,
                self.extra.seed,
                self.extra.counts_calls,
            )),
            classifier: self.extra.classifier,
        })
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = Breaker<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker::new(inner, Arc::clone(&self.shared), self.classifier.clone())
    }
}

impl<C> fmt::Debug for BreakerLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BreakerLayer").field(&self.handle()).finish()
    }
}
