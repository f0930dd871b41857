//! When does a task that never has to wait give way to others?

use std::{
    cell::Cell,
    task::{Context, Poll, ready},
};

use tokio::task::coop;

/// Counts, for this thread, an event that can be published or read without waiting. Pending when it is time
/// for others; the task is woken again at once.
///
/// One in eight, on average, costs a unit of tokio's budget, of which a task has 128 in one turn: an event takes
/// a fraction of what tokio's own channels take for a message. Which one is left to chance: each eighth could
/// fall into step with a task that is unconstrained in part.
#[inline]
pub(crate) fn proceed(cx: &mut Context<'_>) -> Poll<()> {
    thread_local! {
        static CHANCE: Cell<u32> = const { Cell::new(1) };
    }
    // The generator of Numerical Recipes (1992), section 7.1; its highest bits are its best.
    let chance = CHANCE
        .get()
        .wrapping_mul(1_664_525)
        .wrapping_add(1_013_904_223);
    CHANCE.set(chance);
    if chance >> 29 == 0 {
        return spend(cx);
    }
    Poll::Ready(())
}

fn spend(cx: &mut Context<'_>) -> Poll<()> {
    ready!(coop::poll_proceed(cx)).made_progress();
    Poll::Ready(())
}
