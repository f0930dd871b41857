use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::{Error, Exempt, LoadShedHandle, Nothing, ResponseFuture, shared::Shared};
use crate::resilience::asked::Asked;

/// A service that refuses what it has no room for; from a [`LoadShedLayer`](super::LoadShedLayer).
///
/// **Readiness** is always given at once, unless it fails. Whether the service inside is ready is asked then, and
/// decides about the call.
///
/// **A service that is not ready** is replaced by a clone of itself, so that nothing is left behind in it; a call that
/// waits holds a clone of its own. Therefore it has to be [`Clone`].
#[derive(Clone, Debug)]
pub struct LoadShed<S, X = Nothing> {
    inner: Asked<S>,
    exempt: X,
    shared: Arc<Shared>,
}

impl<S, X> LoadShed<S, X> {
    pub(super) const fn new(inner: S, exempt: X, shared: Arc<Shared>) -> Self {
        Self {
            inner: Asked::new(inner),
            exempt,
            shared,
        }
    }

    /// To see it.
    pub fn handle(&self) -> LoadShedHandle {
        LoadShedHandle::new(Arc::clone(&self.shared))
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        self.inner.get_ref()
    }

    /// The service inside, without the load shed.
    pub fn into_inner(self) -> S {
        self.inner.into_inner()
    }
}

impl<S, X, Request> Service<Request> for LoadShed<S, X>
where
    S: Service<Request> + Clone,
    X: Exempt<Request>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ResponseFuture<S, Request>;

    #[inline(always)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self.inner.poll_ready(cx) {
            Poll::Pending => {
                // Who is asked and not called keeps no place in it.
                self.inner.let_go();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(ready) => Poll::Ready(ready.map_err(Error::Inner)),
        }
    }

    #[inline(always)]
    fn call(&mut self, request: Request) -> Self::Future {
        if self.inner.is_ready() {
            return ResponseFuture::admitted(self.inner.call_ready(request));
        }
        if !self.exempt.is_exempt(&request) {
            return ResponseFuture::shed(self.shared.shed());
        }
        self.shared.exempted.add(1);
        ResponseFuture::admitted(self.inner.call(request))
    }
}
