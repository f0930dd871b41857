use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    Backup, Error, FallbackHandle, ResponseFuture, Takes,
    shared::{Local, Shared},
};

/// A service with a fallback; from a [`FallbackLayer`](super::FallbackLayer).
///
/// **Readiness** is that of the service inside, whose errors of readiness pass as they are: a service that can
/// never be ready again is to be replaced, not answered for. The fallback is asked for its readiness when it
/// is needed.
pub struct Fallback<S, B, W> {
    inner: S,
    local: Arc<Local<B, W>>,
}

impl<S, B, W> Fallback<S, B, W> {
    pub(super) fn new(inner: S, backup: B, takes: W, shared: Arc<Shared>) -> Self {
        let local = Local {
            shared,
            backup,
            takes,
        };
        Self {
            inner,
            local: Arc::new(local),
        }
    }

    /// To see it.
    pub fn handle(&self) -> FallbackHandle {
        FallbackHandle::new(Arc::clone(&self.local.shared))
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, without the fallback.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, W, Request> Service<Request> for Fallback<S, B, W>
where
    S: Service<Request>,
    B: Backup<Request, S::Response, S::Error>,
    W: Takes<S::Error>,
{
    type Response = S::Response;
    type Error = Error<S::Error, B::Error>;
    type Future = ResponseFuture<S, Request, B, W>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let kept = self.local.backup.keep(&request);
        ResponseFuture::new(self.inner.call(request), kept, Arc::clone(&self.local))
    }
}

impl<S: Clone, B: Clone, W: Clone> Clone for Fallback<S, B, W> {
    fn clone(&self) -> Self {
        let Local {
            shared,
            backup,
            takes,
        } = &*self.local;
        Self::new(
            self.inner.clone(),
            backup.clone(),
            takes.clone(),
            Arc::clone(shared),
        )
    }
}

impl<S: fmt::Debug, B, W> fmt::Debug for Fallback<S, B, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("inner", &self.inner)
            .field("handle", &self.handle())
            .finish_non_exhaustive()
    }
}
