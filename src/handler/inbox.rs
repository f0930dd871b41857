use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::{FutureExt, future::OptionFuture};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{
    account::Account,
    dead_letter::{RedriveError, Return},
    order::Order,
    queue::{Job, Queue},
    taken::panic_message,
};
use crate::{
    event::{AnyEnvelope, Envelope, Event},
    local::{Buffer, Gap, Subscription},
};

/// The events of one handler, or of one group, on their way from the subscription to the members.
pub(super) struct Inbox<E: Event> {
    /// None once it has been left.
    subscription: tokio::sync::Mutex<Option<Subscription<E>>>,
    queue: Mutex<Queue<E>>,
    /// Something was added to the queue, or it ended.
    changed: Notify,
    order: Order<E>,
    pub(super) buffer: Buffer,
    pub(super) group: Option<Arc<str>>,
}

impl<E: Event> Inbox<E> {
    pub(super) fn new(
        subscription: Subscription<E>,
        buffer: Buffer,
        order: Order<E>,
        group: Option<Arc<str>>,
    ) -> Self {
        Self {
            subscription: tokio::sync::Mutex::new(Some(subscription)),
            queue: Mutex::new(Queue::new()),
            changed: Notify::new(),
            order,
            buffer,
            group,
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
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, or a change could come unseen.
            changed.as_mut().enable();
            let (due, room) = {
                let mut queue = self.queue();
                let job = queue.take();
                if queue.ended && queue.held() == 0 {
                    // The other members need not wait any more.
                    self.changed.notify_waiters();
                    return job;
                }
                if job.is_some() {
                    return job;
                }
                (queue.next_due(), !queue.ended && queue.held() < self.room())
            };
            tokio::select! {
                biased;
                () = changed => {}
                Some(()) = OptionFuture::from(due.map(sleep_until)) => {}
                received = self.receive(), if room => {
                    let begun = received.and_then(|job| self.queue().admit(job));
                    if begun.is_some() {
                        return begun;
                    }
                }
            }
        }
    }

    /// One event from the subscription; none for a gap, or at its end.
    async fn receive(&self) -> Option<Job<E>> {
        let mut subscription = self.subscription.lock().await;
        let item = match &mut *subscription {
            Some(subscription) => subscription.recv().await,
            None => None,
        };
        match item {
            Some(Ok(envelope)) => return Some(self.job(envelope)),
            Some(Err(gap)) => lagged::<E>(gap),
            None => {
                self.queue().ended = true;
                self.changed.notify_waiters();
            }
        }
        None
    }

    fn job(&self, envelope: Envelope<E>) -> Job<E> {
        let (key, keyless) = match catch_unwind(AssertUnwindSafe(|| self.order.key_of(&envelope))) {
            Ok(key) => (key, None),
            Err(panic) => (None, Some(panic_message(&*panic))),
        };
        Job {
            envelope,
            key,
            attempts: 0,
            keyless,
        }
    }

    /// The event is settled: the next of its key may begin.
    pub(super) fn settle(&self, job: &Job<E>) {
        if let Some(key) = &job.key
            && self.queue().release(key)
        {
            self.changed.notify_waiters();
        }
    }

    /// Tries the event again when it is due. Gives it back if nobody is left to do so.
    pub(super) fn retry(&self, job: Job<E>, due: Instant) -> Result<(), Job<E>> {
        let mut queue = self.queue();
        if queue.members == 0 {
            return Err(job);
        }
        queue.wait(job, due);
        drop(queue);
        self.changed.notify_waiters();
        Ok(())
    }

    /// One more member. False if it takes no more events.
    ///
    /// # Errors
    ///
    /// [`Mixed`] if it would be keyed in part.
    pub(super) fn join(&self, keyed: bool) -> Result<bool, Mixed> {
        let mut queue = self.queue();
        let open = queue.members > 0 && !queue.ended;
        if open && keyed != self.order.is_keyed() {
            return Err(Mixed);
        }
        queue.members += usize::from(open);
        Ok(open)
    }

    /// One member less, if others stay to go on. False for the last.
    pub(super) fn leave_to_others(&self) -> bool {
        let mut queue = self.queue();
        let others = queue.members > 1;
        queue.members -= usize::from(others);
        others
    }

    /// One member less; the last one gives up what is left.
    pub(super) fn leave(&self, account: &Account) {
        let left = {
            let mut queue = self.queue();
            queue.members = queue.members.saturating_sub(1);
            if queue.members > 0 {
                return;
            }
            queue.ended = true;
            queue.clear()
        };
        account.abandoned(left as u64);
        // Nobody else holds it: all members are gone.
        if let Ok(mut subscription) = self.subscription.try_lock()
            && let Some(subscription) = subscription.take()
        {
            account.abandoned(subscription.unread());
        }
    }

    /// Leaves the bus, and keeps what is buffered.
    pub(super) async fn unsubscribe(&self, account: &Account) {
        self.queue().ended = true;
        let Some(mut subscription) = self.subscription.lock().await.take() else {
            return;
        };
        // What comes from now on is not for this handler any more.
        let mut left = subscription.unread();
        while left > 0 {
            match subscription.recv().now_or_never() {
                Some(Some(Ok(envelope))) => {
                    left -= 1;
                    let job = self.job(envelope);
                    self.queue().keep(job);
                }
                Some(Some(Err(gap))) => lagged::<E>(gap),
                Some(None) | None => break,
            }
        }
        account.abandoned(subscription.unread());
    }

    fn queue(&self) -> MutexGuard<'_, Queue<E>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some of a group are keyed, and others are not.
#[derive(Debug)]
pub(super) struct Mixed;

fn lagged<E: Event>(gap: Gap) {
    warn!(event = E::NAME, missed = gap.missed, "a handler lagged");
}

impl<E: Event> Return for Inbox<E> {
    fn take_back(&self, event: &AnyEnvelope) -> Result<(), RedriveError> {
        // Its letters are of its own type.
        let envelope = event.downcast().ok_or(RedriveError::HandlerEnded)?;
        let job = self.job(envelope);
        let mut queue = self.queue();
        if queue.members == 0 || queue.ended {
            return Err(RedriveError::HandlerEnded);
        }
        if queue.held() >= self.buffer.capacity.get() {
            return Err(RedriveError::NoRoom);
        }
        queue.keep(job);
        drop(queue);
        self.changed.notify_waiters();
        Ok(())
    }
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
