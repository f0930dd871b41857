use std::{fmt, sync::Arc};

use tower::Layer;

use super::{LoadShed, LoadShedConfig, LoadShedHandle, Nothing, shared::Shared};
use crate::resilience::{Builder, ConfigError, Name};

/// Puts a load shed around services.
///
/// ```
/// # use std::convert::Infallible;
/// use algedonic::resilience::load_shed::{LoadShedConfig, LoadShedLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Event { is_signal: bool }
///
/// let shed = LoadShedLayer::builder(LoadShedConfig::default())
///     .name("publish")
///     .exempt_if(|event: &Event| event.is_signal)
///     .build()?;
/// let mut publish = ServiceBuilder::new()
///     .layer(shed)
///     .concurrency_limit(1)
///     .service(service_fn(|_: Event| async {
///         tokio::task::yield_now().await;
///         Ok::<_, Infallible>(())
///     }));
///
/// let first = publish.ready().await?.call(Event { is_signal: false });
/// // There is no room for another, but for a signal.
/// let second = publish.ready().await?.call(Event { is_signal: false });
/// let signal = publish.ready().await?.call(Event { is_signal: true });
/// assert!(second.await.is_err_and(|error| error.is_shed()));
/// first.await?;
/// signal.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoadShedLayer<X = Nothing> {
    shared: Arc<Shared>,
    exempt: X,
}

/// Makes a [`LoadShedLayer`], with all that is not in a configuration.
pub type LoadShedBuilder<X = Nothing> = Builder<LoadShedConfig, Extra<X>>;

/// What a [`LoadShedBuilder`] has that others have not.
#[derive(Clone, Debug)]
pub struct Extra<X> {
    exempt: X,
}

impl LoadShedLayer {
    /// A load shed by the name of `load_shed`.
    pub fn new(config: LoadShedConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A load shed by this name.
    pub fn named(name: impl Into<Name>, config: LoadShedConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A load shed with a name, an observer, or requests that are exempt.
    pub const fn builder(config: LoadShedConfig) -> LoadShedBuilder {
        Builder::new("load_shed", config, Extra { exempt: Nothing })
    }
}

impl<X> LoadShedLayer<X> {
    /// To see it.
    pub fn handle(&self) -> LoadShedHandle {
        LoadShedHandle::new(Arc::clone(&self.shared))
    }
}

impl<X> LoadShedBuilder<X> {
    /// Which requests are never shed; by default none.
    pub fn exempt_if<Request, F>(self, exempt: F) -> LoadShedBuilder<F>
    where
        F: Fn(&Request) -> bool,
    {
        self.exempt(exempt)
    }

    /// The same with an [`Exempt`](super::Exempt) that has a name.
    pub fn exempt<Y>(self, exempt: Y) -> LoadShedBuilder<Y> {
        self.with(|_| Extra { exempt })
    }

    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<LoadShedLayer<X>, ConfigError> {
        self.config.validate()?;
        Ok(LoadShedLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter)),
            exempt: self.extra.exempt,
        })
    }
}

impl<S, X: Clone> Layer<S> for LoadShedLayer<X> {
    type Service = LoadShed<S, X>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShed::new(inner, self.exempt.clone(), Arc::clone(&self.shared))
    }
}

impl<X> fmt::Debug for LoadShedLayer<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadShedLayer")
            .field(&self.handle())
            .finish()
    }
}
