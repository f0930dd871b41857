use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use algedonic_transport::BoxFuture;
use futures_util::{TryFutureExt, future::MapErr};
use tower::{BoxError, Service, ServiceExt, util::BoxCloneService};

use super::Fail;
use crate::event::Envelope;

/// A handler as a tower service: what its layers wrap.
///
/// Its errors are those of the handler; a [`Fail`] that states what is to become of the event keeps
/// its meaning in them, also as a source of a layer's own error.
pub struct HandlerService<E>(BoxCloneService<Envelope<E>, (), BoxError>);

impl<E: Send + Sync + 'static> HandlerService<E> {
    pub(super) fn new<S>(service: S) -> Self
    where
        S: Service<Envelope<E>, Response = ()> + Clone + Send + 'static,
        S::Error: Into<Fail>,
        S::Future: Send + 'static,
    {
        Self(BoxCloneService::new(service.map_err(carry)))
    }

    pub(super) fn from_fn<F, Fut, Err>(function: F) -> Self
    where
        F: FnMut(Envelope<E>) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), Err>> + Send + 'static,
        Err: Into<Fail> + 'static,
    {
        let function = Function(Arc::new(Mutex::new(function)));
        Self(BoxCloneService::new(function))
    }
}

fn carry(error: impl Into<Fail>) -> BoxError {
    error.into().carried()
}

impl<E> Clone for HandlerService<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E> Service<Envelope<E>> for HandlerService<E> {
    type Response = ();
    type Error = BoxError;
    type Future = BoxFuture<Result<(), BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, envelope: Envelope<E>) -> Self::Future {
        self.0.call(envelope)
    }
}

impl<E> fmt::Debug for HandlerService<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandlerService")
    }
}

/// A function as a service. All clones share it, because it need not be `Clone` itself; the lock is
/// held while it makes its future, and not longer.
struct Function<F>(Arc<Mutex<F>>);

impl<F> Clone for Function<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E, F, Fut, Err> Service<Envelope<E>> for Function<F>
where
    F: FnMut(Envelope<E>) -> Fut,
    Fut: Future<Output = Result<(), Err>>,
    Err: Into<Fail>,
{
    type Response = ();
    type Error = BoxError;
    type Future = MapErr<Fut, fn(Err) -> BoxError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, envelope: Envelope<E>) -> Self::Future {
        let mut function = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        function(envelope).map_err(carry)
    }
}
