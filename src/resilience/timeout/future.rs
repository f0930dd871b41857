use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::{Error, shared::Local};
use crate::resilience::deadline::{Inside, NotBegun};

/// The response of a service behind a timeout. Dropped before it is ready, it drops the call.
///
/// # Panics
///
/// When it is polled outside of a tokio runtime with time, and has to wait.
#[pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    /// None once it was dropped because it took too long.
    #[pin]
    call: Option<F>,
    /// Made when the call first has to wait.
    #[pin]
    timer: Option<Sleep>,
    /// In nanoseconds.
    limit: u64,
    local: Arc<Local>,
}

impl<F> ResponseFuture<F> {
    #[inline]
    pub(super) const fn new(call: F, limit: u64, local: Arc<Local>) -> Self {
        Self {
            call: Some(call),
            timer: None,
            limit,
            local,
        }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Error<E>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let call = this.call.as_mut().as_pin_mut();
        let call = call.expect("polled after it was ready");
        // First: an answer that comes with the end of the time is taken.
        let polled = match this.timer.as_ref().as_pin_ref() {
            None => {
                let _inside = NotBegun::within(*this.limit);
                call.poll(cx)
            }
            Some(timer) => {
                let _inside = Inside::until(timer.deadline());
                call.poll(cx)
            }
        };
        if let Poll::Ready(result) = polled {
            return Poll::Ready(result.map_err(Error::Inner));
        }
        ready!(wait(this.timer, *this.limit, cx));
        this.call.set(None);
        let elapsed = this.local.shared.elapse(*this.limit);
        Poll::Ready(Err(Error::Elapsed(elapsed)))
    }
}

/// Ready when the time is up, which begins now if there is no timer.
fn wait(mut timer: Pin<&mut Option<Sleep>>, limit: u64, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        if limit == 0 {
            return Poll::Ready(());
        }
        let end = Instant::now() + Duration::from_nanos(limit);
        timer.set(Some(sleep_until(end)));
    }
    match timer.as_pin_mut() {
        // Whether the call has used up its turn or not.
        Some(timer) => pin!(unconstrained(timer)).poll(cx),
        None => Poll::Pending,
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("limit", &Duration::from_nanos(self.limit))
            .field("waits", &self.timer.is_some())
            .finish_non_exhaustive()
    }
}
