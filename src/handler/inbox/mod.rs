//! What lies between a subscription and the members.

mod bell;
mod membership;
mod settling;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use futures_util::future::OptionFuture;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use self::bell::Bell;
pub(super) use self::membership::Mixed;
use super::{
    attempt::panic_message,
    order::Order,
    queue::{Job, Queue},
};
use crate::{
    event::{Envelope, Event},
    local::{Buffer, Gap, Subscription},
    observe::Settled,
};

/// The events of one handler, or of one group, on their way from the subscription to the members.
pub(super) struct Inbox<E: Event> {
    /// None once it has been left. Locked before the queue, where both are.
    subscription: Mutex<Option<Subscription<E>>>,
    queue: Mutex<Queue<E>>,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    order: Order<E>,
    pub(super) buffer: Buffer,
    pub(super) group: Option<Arc<str>>,
    /// The books of the subscription.
    pub(super) settled: Arc<Settled>,
}

/// What a member finds.
enum Look<E> {
    Job(Job<E>),
    /// Nothing to begin before this time, or before the bell rings.
    Nothing(Option<Instant>),
    End,
}

impl<E: Event> Inbox<E> {
    pub(super) fn new(
        subscription: Subscription<E>,
        settled: Arc<Settled>,
        buffer: Buffer,
        order: Order<E>,
        group: Option<Arc<str>>,
    ) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            subscription: Mutex::new(Some(subscription)),
            queue: Mutex::new(Queue::new()),
            waker: Arc::clone(&bell).into(),
            bell,
            order,
            buffer,
            group,
            settled,
        }
    }

    /// How many events may be held before no more are taken from the subscription.
    fn room(&self) -> usize {
        match self.order {
            // One that waits for its retry holds up all the others, where publishers see it.
            Order::Single(_) => 1,
            Order::Free | Order::Keyed(_) => self.buffer.capacity.get(),
        }
    }

    /// The next event that may begin; none when it has ended and nothing is held. Cancel safe.
    pub(super) async fn next(&self) -> Option<Job<E>> {
        loop {
            // A handler that never waits must let others have their turn.
            tokio::task::coop::consume_budget().await;
            let mut look = self.look();
            let rung = self.bell.rung();
            tokio::pin!(rung);
            if matches!(look, Look::Nothing(_)) {
                // Registered before the look that counts, or the bell could ring unheard.
                rung.as_mut().enable();
                look = self.look();
            }
            match look {
                Look::Job(job) => return Some(job),
                Look::End => return None,
                Look::Nothing(due) => tokio::select! {
                    biased;
                    () = rung => {}
                    Some(()) = OptionFuture::from(due.map(sleep_until)) => {}
                },
            }
        }
    }

    fn look(&self) -> Look<E> {
        loop {
            let (due, room) = {
                let mut queue = self.queue();
                let job = queue.take();
                if queue.ended && queue.held() == 0 {
                    // The other members need not wait any more.
                    self.ring();
                    return job.map_or(Look::End, Look::Job);
                }
                if let Some(job) = job {
                    return Look::Job(job);
                }
                let room = !queue.ended && queue.held() < self.room();
                (queue.next_due(), room)
            };
            if !room {
                return Look::Nothing(due);
            }
            // Held until the event has its place, or another member could overtake with the next.
            let mut subscription = lock(&self.subscription);
            match self.poll(subscription.as_mut()) {
                Poll::Pending => return Look::Nothing(due),
                Poll::Ready(Some(Ok(envelope))) => {
                    let job = self.job(envelope, false);
                    if let Some(job) = self.queue().admit(job) {
                        return Look::Job(job);
                    }
                }
                Poll::Ready(Some(Err(gap))) => lagged::<E>(gap.missed),
                Poll::Ready(None) => {
                    self.queue().ended = true;
                    self.ring();
                }
            }
        }
    }

    fn poll(
        &self,
        subscription: Option<&mut Subscription<E>>,
    ) -> Poll<Option<Result<Envelope<E>, Gap>>> {
        let mut cx = Context::from_waker(&self.waker);
        subscription.map_or(Poll::Ready(None), |subscription| {
            Pin::new(subscription).poll_next(&mut cx)
        })
    }

    fn job(&self, envelope: Envelope<E>, redriven: bool) -> Job<E> {
        let (key, keyless) = match catch_unwind(AssertUnwindSafe(|| self.order.key_of(&envelope))) {
            Ok(key) => (key, None),
            Err(panic) => (None, Some(panic_message(&*panic))),
        };
        Job {
            envelope,
            key,
            attempts: 0,
            redriven,
            keyless,
        }
    }

    fn ring(&self) {
        self.bell.ring();
    }

    fn queue(&self) -> MutexGuard<'_, Queue<E>> {
        lock(&self.queue)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lagged<E: Event>(missed: u64) {
    warn!(event = E::NAME, missed, "a handler lagged");
}

impl<E: Event> fmt::Debug for Inbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("event", &E::NAME)
            .field("group", &self.group)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}
