use std::{fmt, sync::Arc};

use tower::Layer;

use super::{Breaker, BreakerConfig, BreakerHandle, ByKind, EveryError, Outcome, shared::Shared};
use crate::resilience::{ConfigError, Name, Observer, observer::Reporter};

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
#[derive(Clone)]
pub struct BreakerBuilder<C = ByKind> {
    config: BreakerConfig,
    reporter: Reporter,
    classifier: C,
    seed: Option<u64>,
}

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
        BreakerBuilder {
            config,
            reporter: Reporter::new(Name::from_static("breaker")),
            classifier: ByKind,
            seed: None,
        }
    }
}

impl<C> BreakerLayer<C> {
    /// To see and to control it.
    pub fn handle(&self) -> BreakerHandle {
        BreakerHandle::new(Arc::clone(&self.shared))
    }
}

impl<C> BreakerBuilder<C> {
    /// The name in errors, notices and reports; default `breaker`.
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.reporter.name = name.into();
        self
    }

    /// Who is told of transitions and rejections.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.observe(observer);
        self
    }

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

    /// The same with a [`Classifier`](super::Classifier) that has a name.
    pub fn classifier<D>(self, classifier: D) -> BreakerBuilder<D> {
        BreakerBuilder {
            config: self.config,
            reporter: self.reporter,
            classifier,
            seed: self.seed,
        }
    }

    /// Makes the open periods the same in every run, for tests; else they differ between breakers.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<BreakerLayer<C>, ConfigError> {
        self.config.validate()?;
        Ok(BreakerLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter, self.seed)),
            classifier: self.classifier,
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

impl<C> fmt::Debug for BreakerBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerBuilder")
            .field("config", &self.config)
            .field("reporter", &self.reporter)
            .finish_non_exhaustive()
    }
}
