use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
    task::coop,
};

use crate::{AnyEnvelope, Buffer, Bus, Gap, PatternSubscription, event::Envelope, task::Task};

/// All that passed one bus, events and signals, in the order of their coming.
pub(super) struct Record {
    tape: Arc<Tape>,
    /// Writes down what comes while nobody looks.
    _writer: Task,
}

struct Tape {
    inner: Mutex<Inner>,
    /// Has the writer look again, since somebody else did.
    again: Notify,
    /// How many were written down.
    length: watch::Sender<u64>,
}

struct Inner {
    /// None once the bus has ended and all of it is written down.
    subscription: Option<PatternSubscription>,
    entries: Vec<AnyEnvelope>,
    /// How many came before the first that is kept.
    forgotten: u64,
    /// How many never got here.
    missed: u64,
}

impl Record {
    /// Begins to write down.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(super) fn of(bus: &Bus) -> Self {
        // As many as a buffer can hold: it takes memory as they come.
        let buffer = Buffer::drop_oldest(Buffer::MAX_CAPACITY);
        let everything = bus.subscribe_pattern_with("#", buffer);
        let tape = Arc::new(Tape {
            inner: Mutex::new(Inner {
                subscription: Some(everything.expect("a valid pattern")),
                entries: Vec::new(),
                forgotten: 0,
                missed: 0,
            }),
            again: Notify::new(),
            length: watch::Sender::new(0),
        });
        let writer = Task::spawn(&Handle::current(), Arc::clone(&tape).write());
        Self {
            tape,
            _writer: writer,
        }
    }

    /// The entries of one kind, up to now.
    pub(super) fn list<T: Send + Sync + 'static>(&self) -> Vec<Envelope<T>> {
        let inner = self.tape.read();
        let kind = inner.entries.iter().filter_map(AnyEnvelope::downcast);
        kind.collect()
    }

    /// Waits for the first entry of one kind that is wanted, of those that are kept and those to come. None when the
    /// bus has ended and it did not come.
    pub(super) async fn find<T: Send + Sync + 'static>(
        &self,
        mut wanted: impl FnMut(&Envelope<T>) -> bool,
    ) -> Option<Envelope<T>> {
        let mut length = self.tape.length.subscribe();
        let mut next = 0;
        loop {
            length.mark_unchanged();
            let ended = {
                let inner = self.tape.read();
                // What was forgotten meanwhile is not looked at.
                let skip = usize::try_from(next - inner.forgotten.min(next)).unwrap_or(usize::MAX);
                let news = inner.entries.iter().skip(skip);
                let found = news.filter_map(AnyEnvelope::downcast).find(&mut wanted);
                if found.is_some() {
                    return found;
                }
                next = inner.forgotten + inner.entries.len() as u64;
                inner.subscription.is_none()
            };
            if ended || length.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Begins anew.
    pub(super) fn forget(&self) {
        let mut inner = self.tape.read();
        inner.forgotten += inner.entries.len() as u64;
        inner.entries.clear();
    }

    /// What it holds, in words: the name and the number of each kind.
    pub(super) fn summary(&self) -> String {
        let inner = self.tape.read();
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for entry in &inner.entries {
            *counts.entry(entry.metadata().name.to_string()).or_default() += 1;
        }
        if counts.is_empty() {
            return "nothing".to_owned();
        }
        let counts = counts.iter().map(|(name, count)| format!("{count} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    }
}

impl Tape {
    async fn write(self: Arc<Self>) {
        loop {
            let again = self.again.notified();
            let ended = tokio::select! {
                biased;
                () = again => false,
                ended = poll_fn(|cx| self.poll_write(cx)) => ended,
            };
            if ended {
                return;
            }
        }
    }

    /// Writes down what is there. Ready after news, true at the end.
    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut inner = self.lock();
        let before = inner.length();
        let ended = inner.drain(cx);
        if ended || inner.length() > before {
            self.length.send_replace(inner.length());
            return Poll::Ready(ended);
        }
        Poll::Pending
    }

    /// The record, with what has come until now.
    ///
    /// # Panics
    ///
    /// When so much came at once that some of it is missing.
    fn read(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.lock();
        let before = inner.length();
        if inner.has_news() {
            let mut cx = Context::from_waker(Waker::noop());
            inner.drain(&mut cx);
            // That took the writer's place at the subscription.
            self.again.notify_one();
            if inner.length() > before {
                self.length.send_replace(inner.length());
            }
        }
        assert!(
            inner.missed == 0,
            "the record misses {} events: more than {} came at once",
            inner.missed,
            Buffer::MAX_CAPACITY
        );
        inner
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn length(&self) -> u64 {
        self.forgotten + self.entries.len() as u64
    }

    fn has_news(&self) -> bool {
        let subscription = self.subscription.as_ref();
        subscription.is_some_and(|subscription| subscription.unread() > 0)
    }

    /// Takes all that is there. True at the end of the bus.
    fn drain(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(subscription) = &mut self.subscription {
            // Whoever looks is not to be told that it is somebody else's turn.
            let next = std::pin::pin!(coop::unconstrained(poll_fn(|cx| {
                Pin::new(&mut *subscription).poll_next(cx)
            })));
            match next.poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Some(Ok(entry))) => self.entries.push(entry),
                Poll::Ready(Some(Err(Gap { missed, .. }))) => self.missed += missed,
                Poll::Ready(None) => self.subscription = None,
            }
        }
        true
    }
}
