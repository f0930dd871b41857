use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{
    Asked, Loss, Outcome, Request, RequestError, desk::Desk, entry::Entry, registry::Registry,
    reply::Reply,
};

/// The way of one request, from the asker's side.
pub(super) async fn ask<R: Request>(registry: Arc<Registry>, asked: Asked<R>) -> Outcome<R> {
    let entry = &Entry::open(&registry.books);
    let _present = Present(entry);
    let deadline = asked.deadline();
    let desk = match place(&registry, deadline).await {
        Ok(desk) => desk,
        Err(refusal) => {
            let outcome = Err(refusal);
            // Nobody else knows of it as yet.
            let _ = entry.settle(&outcome);
            return outcome;
        }
    };
    let (reply, mut answer) = Reply::new(entry);
    let ticket = desk.push(asked, reply);
    // After `answer`, so that it is dropped before: a withdrawal comes first into the books.
    let waiting = Waiting {
        desk,
        ticket,
        entry,
    };
    let answered = if let Ok(answered) = timeout_at(deadline, &mut answer).await {
        answered
    } else {
        let late = Err(RequestError::TimedOut { begun: true });
        if let Some(ticket) = waiting.desk.withdraw(ticket) {
            ticket.reply.time_out();
        } else if entry.settle(&late) {
            return late;
        }
        // Settled at the other end, if only in this very moment.
        answer.await
    };
    // A reply always answers, unless its thread died in the act.
    answered.unwrap_or(Err(RequestError::Lost(Loss::Gone)))
}

/// Finds a desk with a free place.
async fn place<R: Request>(
    registry: &Registry,
    deadline: Instant,
) -> Result<Arc<Desk<R>>, RequestError<R::Error>> {
    let desk = registry.desk::<R>()?;
    match timeout_at(deadline, desk.room()).await {
        Err(_) => Err(RequestError::TimedOut { begun: false }),
        Ok(false) => Err(registry.refusal()),
        Ok(true) => Ok(desk),
    }
}

/// The asker. Dropped before the outcome is settled, it has withdrawn.
struct Present<'a>(&'a Entry);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

/// A ticket at a desk. Dropped, it is taken back.
struct Waiting<'a, R: Request> {
    desk: Arc<Desk<R>>,
    ticket: u64,
    entry: &'a Entry,
}

impl<R: Request> Drop for Waiting<'_, R> {
    fn drop(&mut self) {
        self.entry.withdraw();
        drop(self.desk.withdraw(self.ticket));
    }
}
