//! Calls that are tried again, by the service that they go to.

use std::sync::Arc;

use tower::{Layer, ServiceExt, service_fn};

use super::{Registry, find};
use crate::resilience::{
    Name,
    retry::{ByVerdict, Classifier, RetryHandle, RetryLayer},
};

impl Registry {
    /// Runs what is not a service, and again after a while if it fails: with exponential backoff and jitter, by the
    /// [retry](super::RegistryBuilder::retry) of this name (requirement 1.22). One that nobody has configured has the
    /// default configuration, and `external_api` [its own](crate::resilience::retry::RetryConfig::external_api). All
    /// calls of one name share its budget.
    ///
    /// Whether it is worth trying again the error [says](crate::resilience::Classify); the result is that of the last
    /// attempt. Dropped, it ends with the attempt or the pause that is under way.
    ///
    /// ```
    /// # use std::{io, sync::atomic::{AtomicU32, Ordering}};
    /// # use algedonic::resilience::registry::Registry;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let registry = Registry::default();
    /// # let attempts = AtomicU32::new(0);
    /// let data = registry
    ///     .with_backoff("external_api", || async {
    ///         // … fetch it …
    /// #       if attempts.fetch_add(1, Ordering::Relaxed) < 5 {
    /// #           return Err(io::Error::from(io::ErrorKind::ConnectionReset));
    /// #       }
    ///         Ok::<_, io::Error>("data")
    ///     })
    ///     .await?;
    /// assert_eq!(registry.retry("external_api").status().retries, 5);
    /// # assert_eq!(data, "data");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn with_backoff<F, T, E>(
        &self,
        name: impl Into<Name>,
        call: impl Fn() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        ByVerdict: Classifier<T, E>,
    {
        let call = Arc::new(call);
        let layer = self.retry_layer(name.into());
        let service = layer.layer(service_fn(move |()| call()));
        service.oneshot(()).await
    }

    /// To see the retry of this name.
    pub fn retry(&self, name: impl Into<Name>) -> RetryHandle {
        self.retry_layer(name).handle()
    }

    /// The retry of this name, to be put around services, which share its budget.
    pub fn retry_layer(&self, name: impl Into<Name>) -> RetryLayer {
        let name = name.into();
        find(&self.inner.retries, name, || {
            self.inner.make.default_retry(name)
        })
    }
}
