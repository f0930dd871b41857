use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tower::Service;

/// Stands between two layers: the one above calls it only when it is ready, and the one below that was ready stays so.
/// It counts the calls.
#[derive(Debug)]
pub(super) struct Checked<S> {
    inner: S,
    ready: bool,
    books: Arc<Books>,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    calls: AtomicU64,
    wrongs: Mutex<Vec<&'static str>>,
}

impl<S> Checked<S> {
    pub(super) const fn new(inner: S, books: Arc<Books>) -> Self {
        let ready = false;
        Self {
            inner,
            ready,
            books,
        }
    }
}

impl Books {
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(super) fn assert_right(&self) {
        let wrongs = self.wrongs.lock().expect("no panic");
        assert_eq!(*wrongs, Vec::<&str>::new());
    }

    /// Does not panic: that might be caught.
    fn hold(&self, rule: bool, wrong: &'static str) {
        if !rule {
            self.wrongs.lock().expect("no panic").push(wrong);
        }
    }
}

impl<S: Clone> Clone for Checked<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.books))
    }
}

impl<S: Service<Request>, Request> Service<Request> for Checked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let ready = self.inner.poll_ready(cx);
        let kept = !self.ready || ready.is_ready();
        self.books.hold(kept, "it was ready, and is not any more");
        self.ready = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    fn call(&mut self, request: Request) -> S::Future {
        let ready = std::mem::take(&mut self.ready);
        self.books.hold(ready, "called, and was not ready");
        self.books.calls.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
