use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::oneshot;
use tower::{BoxError, Service};

use super::{
    account::Account,
    attempt::{Attempt, attempt, ready},
    dead_letter::DeadLetters,
    inbox::Inbox,
    retry::Backoff,
    taken::Taken,
};
use crate::event::{Envelope, Event};

/// One handler as its events see it; the only one of its inbox, or one of a group.
pub(super) struct Member<E: Event> {
    pub(super) inbox: Arc<Inbox<E>>,
    pub(super) name: Arc<str>,
    pub(super) account: Arc<Account>,
    pub(super) backoff: Backoff,
    pub(super) dead_letters: DeadLetters,
    /// Whether it has left the inbox; others go on with it.
    left: Mutex<bool>,
}

impl<E: Event> Member<E> {
    pub(super) fn new(
        inbox: Arc<Inbox<E>>,
        name: Arc<str>,
        account: Arc<Account>,
        backoff: Backoff,
        dead_letters: DeadLetters,
    ) -> Self {
        Self {
            inbox,
            name,
            account,
            backoff,
            dead_letters,
            left: Mutex::new(false),
        }
    }

    /// Takes nothing more, if there are others that do. False if it is the last one.
    pub(super) fn leave_to_others(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !*left {
            *left = self.inbox.leave_to_others();
        }
        *left
    }

    /// As [`leave_to_others`](Self::leave_to_others); the last one ends the inbox: who comes now makes
    /// another.
    fn leave_or_end(&self) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !*left {
            *left = self.inbox.leave_or_end();
        }
        *left
    }

    fn leave(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *left, true) {
            self.inbox.leave(&self.account);
        }
    }
}

/// A member at work; dropped, it leaves its inbox.
pub(super) struct Shift<E: Event> {
    member: Arc<Member<E>>,
    concurrency: usize,
    /// Told to stop, and to finish what there is.
    drain: Option<oneshot::Receiver<()>>,
    /// It drains, and others go on with the inbox.
    left: bool,
}

impl<E: Event> Shift<E> {
    pub(super) fn new(
        member: Arc<Member<E>>,
        concurrency: usize,
        drain: oneshot::Receiver<()>,
    ) -> Self {
        Self {
            member,
            concurrency,
            drain: Some(drain),
            left: false,
        }
    }

    /// Drives the service until there is no more to do.
    ///
    /// An event is taken before the service is asked whether it is ready, so that an idle handler
    /// holds no permit of a limit that it shares with others.
    pub(super) async fn work<S>(mut self, mut service: S)
    where
        S: Service<Envelope<E>, Response = ()>,
        S::Error: Into<BoxError>,
    {
        let mut hands = FuturesUnordered::new();
        // Waits for the service to be ready.
        let mut first: Option<Taken<E>> = None;
        // Nothing is left, unless something in hand comes back to be tried again.
        let mut exhausted = false;
        while !(exhausted && hands.is_empty() && first.is_none()) {
            let room = !exhausted && first.is_none() && hands.len() < self.concurrency;
            tokio::select! {
                biased;
                told = async { self.drain.as_mut().expect("polled if there").await },
                    if self.drain.is_some() =>
                {
                    self.drain = None;
                    if told.is_ok() {
                        self.stop();
                        exhausted = self.left;
                    }
                }
                Some(()) = hands.next(), if !hands.is_empty() => exhausted = self.left,
                ready = ready(&mut service), if first.is_some() => if let Some(taken) = first.take() {
                    match ready {
                        Ok(()) if taken.is_late() => taken.expire(),
                        Ok(()) => hands.push(attempt(taken, &mut service)),
                        Err(attempt) => taken.end(attempt),
                    }
                    exhausted = self.left;
                },
                job = self.member.inbox.next(), if room => match job {
                    None => exhausted = true,
                    Some(job) => {
                        let taken = Taken::new(job, Arc::clone(&self.member));
                        match taken.job().keyless.clone() {
                            _ if taken.is_late() => taken.expire(),
                            Some(panic) => taken.end(Attempt::Panicked(panic)),
                            None => first = Some(taken),
                        }
                    }
                }
            }
        }
    }

    /// Takes no more from the bus: leaves the inbox to the others, or, if it is the last, ends it.
    fn stop(&mut self) {
        self.left = self.member.leave_or_end();
        if !self.left {
            self.member.inbox.unsubscribe();
        }
    }
}

impl<E: Event> Drop for Shift<E> {
    fn drop(&mut self) {
        self.member.leave();
    }
}
