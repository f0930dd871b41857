use std::{fmt, marker::PhantomData, sync::Arc};

use tokio::sync::watch;

use super::{
    Asked, Request, Requests,
    drive::drive,
    seat::{Post, Shift},
};
use crate::{handler::HandlerSet, local::Buffer, task::TaskRef};

/// Sets up a responder; made by [`Bus::respond`](crate::Bus::respond).
#[must_use = "a responder begins with `with`"]
pub struct ResponderBuilder<'a, R> {
    requests: &'a Requests,
    handlers: &'a HandlerSet,
    concurrency: usize,
    capacity: usize,
    request: PhantomData<fn(R)>,
}

impl<'a, R: Request> ResponderBuilder<'a, R> {
    pub(crate) fn new(requests: &'a Requests, handlers: &'a HandlerSet) -> Self {
        Self {
            requests,
            handlers,
            concurrency: 1,
            capacity: 1024,
            request: PhantomData,
        }
    }

    /// How many requests it has in hand at once; 1 by default. All in one task: for work on several
    /// threads let several responders compete.
    ///
    /// # Panics
    ///
    /// When it is 0.
    pub fn concurrency(mut self, requests: usize) -> Self {
        assert!(requests > 0, "a responder has room for one request in hand");
        self.concurrency = requests;
        self
    }

    /// How many requests may wait, besides those in hand; 1,024 by default. Then asking waits for
    /// room, within its deadline. Responders of a type share one queue, with the room of all.
    ///
    /// # Panics
    ///
    /// When it is 0, or above [`Buffer::MAX_CAPACITY`].
    pub fn capacity(mut self, requests: usize) -> Self {
        assert!(
            (1..=Buffer::MAX_CAPACITY).contains(&requests),
            "between 1 and 1,048,576 requests may wait"
        );
        self.capacity = requests;
        self
    }

    /// Calls `responder` for requests, in a task of its own.
    ///
    /// Whatever is published or asked inside carries the request as its [`Cause`](crate::Cause). A
    /// panic ends the request ([`Loss::Panicked`](crate::Loss::Panicked)), not the responder, and is
    /// counted ([`Counts::panicked`](crate::Counts::panicked)).
    ///
    /// # Cancellation
    ///
    /// When the asker goes away or the deadline passes, the future that `responder` returned is
    /// dropped, at its next await; a request that still waits is not begun. So no request can hold
    /// the responder for longer than its asker waits. Work that must not stop half-way belongs into
    /// a task: `tokio::spawn(asked.cause().scope(..))`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its timers enabled.
    pub fn with<F, Fut>(self, responder: F) -> Responder
    where
        F: Fn(Asked<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R::Reply, R::Error>> + Send + 'static,
    {
        let registry = self.requests.registry();
        let Some(seat) = registry.seat::<R>(self.capacity) else {
            return Responder(None);
        };
        let seat = Arc::new(seat);
        let (finished, ended) = watch::channel(());
        let work = drive(
            Shift(Arc::clone(&seat)),
            self.concurrency,
            responder,
            Arc::clone(registry.books.ledger()),
        );
        let task = self.handlers.spawn(async move {
            let _finished = finished;
            work.await;
        });
        Responder(Some(Running { seat, task, ended }))
    }
}

/// A running responder. Dropped, it is gone at once, and what it has in hand is
/// [`Lost`](crate::RequestError::Lost); what waits is left to the others of its type, or gets
/// [`NoResponder`](crate::RequestError::NoResponder). [`drain`](Self::drain) lets it finish;
/// [`detach`](Self::detach) leaves it running until the bus ends.
#[must_use = "dropped, it ends the responder; `detach` it to let it run as long as the bus"]
pub struct Responder(
    /// None once it is detached, or if the bus had ended before.
    Option<Running>,
);

struct Running {
    seat: Arc<dyn Post>,
    task: TaskRef,
    ended: watch::Receiver<()>,
}

impl Responder {
    /// Lets the responder run until the bus is shut down or dropped.
    pub fn detach(mut self) {
        self.0 = None;
    }

    /// Takes no new request from now on, finishes what it has in hand and, if it is the last of its
    /// type, what waits; then ends. Takes as long as the longest deadline of those at most.
    ///
    /// # Cancellation
    ///
    /// Dropped early, it is as if the responder were dropped.
    pub async fn drain(mut self) {
        if let Some(running) = &mut self.0 {
            running.seat.retire();
            // Nothing is ever sent: it ends with the task.
            let _ = running.ended.changed().await;
        }
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|running| running.task.is_finished())
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.seat.leave();
            running.task.abort();
        }
    }
}

impl<R> fmt::Debug for ResponderBuilder<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponderBuilder")
            .field("concurrency", &self.concurrency)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
