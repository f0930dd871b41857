use std::{fmt, sync::Arc};

use tower::Layer;

use super::{Bulkhead, BulkheadConfig, BulkheadHandle, shared::Shared};
use crate::resilience::{Builder, ConfigError, Name};

/// Puts a bulkhead around services. All services of one layer and of its clones share its slots.
///
/// ```
/// # use std::convert::Infallible;
/// use algedonic::resilience::bulkhead::{BulkheadConfig, BulkheadLayer};
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bulkhead = BulkheadLayer::named("pricing", BulkheadConfig::default().size(8))?;
/// let handle = bulkhead.handle();
/// let mut pricing = ServiceBuilder::new()
///     .layer(bulkhead)
///     .service(service_fn(|article: u64| async move { Ok::<_, Infallible>(article * 100) }));
///
/// let price = pricing.ready().await?.call(7);
/// assert_eq!(handle.status().running, 1);
/// assert_eq!(price.await?, 700);
/// assert_eq!(handle.status().running, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BulkheadLayer {
    shared: Arc<Shared>,
}

/// Makes a [`BulkheadLayer`], with all that is not in a configuration.
pub type BulkheadBuilder = Builder<BulkheadConfig>;

impl BulkheadLayer {
    /// A bulkhead by the name of `bulkhead`.
    pub fn new(config: BulkheadConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A bulkhead by this name.
    pub fn named(name: impl Into<Name>, config: BulkheadConfig) -> Result<Self, ConfigError> {
        Self::builder(config).name(name).build()
    }

    /// A bulkhead with a name or an observer.
    pub const fn builder(config: BulkheadConfig) -> BulkheadBuilder {
        Builder::new("bulkhead", config, ())
    }

    /// To see and to control it, and for what is no service.
    pub fn handle(&self) -> BulkheadHandle {
        BulkheadHandle::new(&self.shared)
    }
}

impl BulkheadBuilder {
    /// The layer, if the configuration can work.
    pub fn build(self) -> Result<BulkheadLayer, ConfigError> {
        self.config.validate()?;
        Ok(BulkheadLayer {
            shared: Arc::new(Shared::new(self.config, self.reporter)),
        })
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = Bulkhead<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bulkhead::new(inner, &self.shared)
    }
}

impl fmt::Debug for BulkheadLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BulkheadLayer")
            .field(&self.handle())
            .finish()
    }
}
