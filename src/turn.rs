//! When does a task that never has to wait give way to others?

use std::{
    cell::Cell,
    task::{Context, Poll, ready},
};

use tokio::task::coop;

/// How many events cost one unit of tokio's budget, of which a task has 128 in one turn: an event
/// takes a fraction of what tokio's own channels take for a message.
const EVENTS: u8 = 8;

/// Counts, for this thread, an event that can be published or read without waiting. Pending when it is time
/// for others; the task is woken again at once.
#[inline]
pub(crate) fn proceed(cx: &mut Context<'_>) -> Poll<()> {
    thread_local! {
        static COUNT: Cell<u8> = const { Cell::new(0) };
    }
    let count = COUNT.get().wrapping_add(1);
    COUNT.set(count);
    if count.is_multiple_of(EVENTS) {
        return spend(cx);
    }
    Poll::Ready(())
}

fn spend(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}
