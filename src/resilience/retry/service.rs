use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::{
    ByVerdict, Classifier, ResponseFuture, RetryHandle,
    shared::{Local, Shared},
};

/// A service whose calls are tried again; from a [`RetryLayer`](super::RetryLayer).
///
/// **Readiness** is that of the service inside, for the first attempt. Each later one makes a clone of it ready, after
/// the delay; an error of that readiness is final. Therefore it has to be [`Clone`], and so has the request; it is
/// cloned for an attempt only if there can be another after it.
///
/// **Errors** are those of the service inside, unchanged: that of the last attempt.
#[derive(Debug)]
pub struct Retry<S, C = ByVerdict> {
    inner: S,
    local: Arc<Local<S, C>>,
}

impl<S, C> Retry<S, C> {
    /// To see it.
    pub fn handle(&self) -> RetryHandle {
        RetryHandle::new(&self.local.shared)
    }

    /// The service inside.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside, without the retry.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, C> Retry<S, C> {
    pub(super) fn new(inner: S, shared: &Arc<Shared>, classifier: C) -> Self {
        Self {
            local: Local::new(inner.clone(), shared, classifier),
            inner,
        }
    }
}

impl<S, C, Request> Service<Request> for Retry<S, C>
where
    S: Service<Request> + Clone,
    C: Classifier<S::Response, S::Error>,
    Request: Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Request, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request) -> Self::Future {
        let shared = &self.local.shared;
        shared.deposit();
        let again = (shared.config.max_retries > 0).then(|| request.clone());
        ResponseFuture::new(self.inner.call(request), again, Arc::clone(&self.local))
    }
}

impl<S: Clone, C: Clone> Clone for Retry<S, C> {
    fn clone(&self) -> Self {
        let classifier = self.local.classifier.clone();
        Self::new(self.inner.clone(), &self.local.shared, classifier)
    }
}
