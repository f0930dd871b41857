use tokio::time::Instant;

use super::Inbox;
use crate::{
    event::{AnyEnvelope, Event},
    handler::{
        dead_letter::{RedriveError, Return},
        queue::Job,
    },
};

impl<E: Event> Inbox<E> {
    /// The event is settled: the next of its key may begin.
    pub(in crate::handler) fn settle(&self, job: &Job<E>) {
        if let Some(key) = &job.key
            && self.queue().release(key)
        {
            self.ring();
        }
    }

    /// Tries the event again when it is due. Gives it back if nobody is left to do so.
    pub(in crate::handler) fn retry(&self, job: Job<E>, due: Instant) -> Result<(), Job<E>> {
        let mut queue = self.queue();
        if queue.members == 0 {
            return Err(job);
        }
        queue.wait(job, due);
        drop(queue);
        self.ring();
        Ok(())
    }
}

impl<E: Event> Return for Inbox<E> {
    fn take_back(&self, event: &AnyEnvelope) -> Result<(), RedriveError> {
        // Its letters are of its own type.
        let envelope = event.downcast().ok_or(RedriveError::HandlerEnded)?;
        let job = self.job(envelope, true);
        let mut queue = self.queue();
        if queue.members == 0 || queue.ended {
            return Err(RedriveError::HandlerEnded);
        }
        if queue.held() >= self.buffer.capacity.get() {
            return Err(RedriveError::NoRoom);
        }
        queue.keep(job);
        self.settled.redriven();
        drop(queue);
        self.ring();
        Ok(())
    }
}
