//! When does a task that never has to wait give way to others?

use std::{
    cell::Cell,
    task::{Context, Poll, ready},
};

use tokio::task::coop;

/// How many events cost one unit of tokio's budget, of which a task has 128 in one turn: an event takes a
/// fraction of what tokio's own channels take for a message. A prime, so that it does not fall into step with
/// a task that does every second thing, or every fourth, outside of the budget.
const EVENTS: u8 = 23;

/// Counts, for this thread, an event that can be published or read without waiting. Pending when it is time
/// for others; the task is woken again at once.
#[inline]
pub(crate) fn proceed(cx: &mut Context<'_>) -> Poll<()> {
    thread_local! {
        static COUNT: Cell<u8> = const { Cell::new(0) };
    }
    let count = COUNT.get() + 1;
    if count < EVENTS {
        COUNT.set(count);
        return Poll::Ready(());
    }
    COUNT.set(0);
    spend(cx)
}

/// Counts one unit of it.
pub(crate) fn spend(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}
