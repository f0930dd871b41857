use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use tokio::time::timeout_at;
use tracing::error;

use super::{Asked, Loss, Request, RequestError, desk::Ticket, seat::Shift};
use crate::observe::Ledger;

/// Answers requests, so many at a time, until there will be none.
pub(super) async fn drive<R, F, Fut>(
    shift: Shift<R>,
    concurrency: usize,
    responder: F,
    ledger: Arc<Ledger>,
) where
    R: Request,
    F: Fn(Asked<R>) -> Fut,
    Fut: Future<Output = Result<R::Reply, R::Error>>,
{
    let mut in_hand = FuturesUnordered::new();
    let mut ended = false;
    loop {
        tokio::select! {
            biased;
            Some(()) = in_hand.next(), if !in_hand.is_empty() => {}
            ticket = shift.0.next(), if !ended && in_hand.len() < concurrency => match ticket {
                Some(ticket) => in_hand.push(answer(&responder, ticket, &ledger)),
                None => ended = true,
            },
            else => return,
        }
    }
}

/// Answers one request, within its deadline and while somebody wants the answer.
async fn answer<R, F, Fut>(responder: &F, ticket: Ticket<R>, ledger: &Ledger)
where
    R: Request,
    F: Fn(Asked<R>) -> Fut,
    Fut: Future<Output = Result<R::Reply, R::Error>>,
{
    // A responder that never waits must leave turns to the other tasks of its thread, too.
    tokio::task::coop::consume_budget().await;
    let Ticket {
        asked, mut reply, ..
    } = ticket;
    let (id, cause, deadline) = (asked.id(), asked.cause(), asked.deadline());
    // The call itself may panic, too: it is inside.
    let work = AssertUnwindSafe(cause.scope(async { responder(asked).await })).catch_unwind();
    let done = tokio::select! {
        biased;
        done = timeout_at(deadline, work) => done,
        () = reply.unwanted() => return,
    };
    match done {
        Ok(Ok(answer)) => reply.send(answer.map_err(RequestError::Failed)),
        Ok(Err(_)) => {
            ledger.panicked.add(1);
            error!(request = R::NAME, %id, "a responder panicked");
            reply.send(Err(RequestError::Lost(Loss::Panicked)));
        }
        Err(_) => reply.time_out(),
    }
}
