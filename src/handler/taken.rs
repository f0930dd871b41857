use std::{any::TypeId, sync::Arc, time::Duration};

use tokio::time::Instant;
use tracing::{error, warn};

use super::{
    attempt::Attempt,
    dead_letter::{DeadLetterKind, NewLetter, Return},
    fate::Fate,
    member::Member,
    queue::Job,
};
use crate::event::Event;

/// An event in the hands of a member, from the moment it is taken out of the inbox. Dropped before
/// it is settled, it is abandoned; in any case its key is free again then.
pub(super) struct Taken<E: Event> {
    /// None once it is settled, or given back.
    job: Option<Job<E>>,
    member: Arc<Member<E>>,
}

impl<E: Event> Taken<E> {
    pub(super) fn new(job: Job<E>, member: Arc<Member<E>>) -> Self {
        let job = Some(job);
        Self { job, member }
    }

    pub(super) fn job(&self) -> &Job<E> {
        self.job.as_ref().expect("it is taken out at the end only")
    }

    /// Whether its time has passed, so that it is not to be attempted.
    pub(super) fn is_late(&self) -> bool {
        let job = self.job();
        !job.redriven && job.envelope.sealed().has_expired()
    }

    /// Settles an event that is late.
    pub(super) fn expire(mut self) {
        if let Some(job) = self.job.take() {
            self.member.account.expired();
            self.member.inbox.settle(&job);
        }
    }

    /// Settles the event, or gives it back to wait for another attempt.
    pub(super) fn end(mut self, attempt: Attempt) {
        let Some(mut job) = self.job.take() else {
            return;
        };
        job.attempts += u32::from(job.keyless.is_none());
        let member = &*self.member;
        match attempt {
            Attempt::Handled => {
                member.account.handled();
                member.inbox.settle(&job);
            }
            Attempt::Panicked(reason) => {
                member.account.panicked();
                self.dead_letter(&job, DeadLetterKind::Panicked, reason);
            }
            Attempt::Failed { fate, reason } => {
                member.account.failed();
                let at_least = match fate {
                    Fate::DeadLetter => {
                        return self.dead_letter(&job, DeadLetterKind::Failed, reason);
                    }
                    Fate::Retry(at_least) => at_least,
                };
                match member.backoff.after(job.attempts, at_least) {
                    None => self.dead_letter(&job, DeadLetterKind::Exhausted, reason),
                    Some(delay) => self.retry(job, delay, &reason),
                }
            }
        }
    }

    fn retry(&self, job: Job<E>, delay: Duration, reason: &str) {
        let member = &*self.member;
        let metadata = job.envelope.metadata().clone();
        warn!(
            event = E::NAME, id = %metadata.id, correlation = %metadata.correlation,
            handler = &*member.name, attempt = job.attempts, ?delay, error = reason,
            "a handler failed, and will try again",
        );
        // Beyond the clock is for ever; a month is as good.
        let now = Instant::now();
        let due = now.checked_add(delay).unwrap_or(now + FOR_EVER);
        match member.inbox.retry(job, due) {
            Ok(()) => member.account.retried(),
            Err(job) => {
                member.account.abandoned(1);
                member.inbox.settle(&job);
            }
        }
    }

    fn dead_letter(&self, job: &Job<E>, kind: DeadLetterKind, reason: String) {
        let member = &*self.member;
        let metadata = job.envelope.metadata().clone();
        error!(
            event = E::NAME, id = %metadata.id, correlation = %metadata.correlation,
            handler = &*member.name, attempt = job.attempts, %kind, error = reason,
            "a handler made an event a dead letter",
        );
        let inbox: Arc<dyn Return> = Arc::clone(&member.inbox) as _;
        member.dead_letters.add(NewLetter {
            event: job.envelope.erase(),
            name: E::NAME,
            handler: Arc::clone(&member.name),
            group: member.inbox.group.clone(),
            kind,
            reason: reason.into(),
            attempts: job.attempts,
            inbox: Arc::downgrade(&inbox),
            event_type: TypeId::of::<E>(),
        });
        member.account.dead_lettered();
        member.inbox.settle(job);
    }
}

const FOR_EVER: Duration = Duration::from_secs(30 * 24 * 3600);

impl<E: Event> Drop for Taken<E> {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            self.member.account.abandoned(1);
            self.member.inbox.settle(&job);
        }
    }
}
