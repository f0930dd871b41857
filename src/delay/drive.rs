use std::{
    any::TypeId,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, StreamExt, future::CatchUnwind, stream::FuturesUnordered};
use tokio::{
    task::coop,
    time::{Instant, Sleep},
};

use super::{
    Work,
    timeline::{Timeline, Turn},
};

/// The task of one timeline, which ends when there is nothing to do. Dropped before, it takes what
/// there is with it.
pub(super) struct Shift {
    timeline: Arc<Timeline>,
    done: bool,
}

impl Shift {
    pub(super) fn new(timeline: &Arc<Timeline>) -> Self {
        Self {
            timeline: Arc::clone(timeline),
            done: false,
        }
    }
}

impl Drop for Shift {
    fn drop(&mut self) {
        if !self.done {
            self.timeline.cut_off();
        }
        self.timeline.has_ended();
    }
}

/// Begins what is due, in order, and goes on with what has to wait for room.
pub(super) async fn drive(mut shift: Shift, sleep: Sleep) {
    let timeline = Arc::clone(&shift.timeline);
    let mut publishing = FuturesUnordered::new();
    tokio::pin!(sleep);
    loop {
        // One look at the clock for each round, or those that wait would have no turn.
        let now = Instant::now();
        poll_fn(|cx| {
            loop {
                let turn = ready!(coop::poll_proceed(cx));
                if !timeline.begin_next(now, cx) {
                    return Poll::Ready(());
                }
                turn.made_progress();
            }
        })
        .await;
        let until = match timeline.turn(&mut publishing) {
            Turn::Wait(until) => until,
            Turn::End => {
                shift.done = true;
                return;
            }
            Turn::CutOff => return,
        };
        if let Some(until) = until
            && until != sleep.deadline()
        {
            sleep.as_mut().reset(until);
        }
        tokio::select! {
            biased;
            Some(line) = publishing.next(), if !publishing.is_empty() => {
                publishing.extend(timeline.finish(line));
                coop::consume_budget().await;
            }
            () = timeline.changed.notified() => {}
            () = sleep.as_mut(), if until.is_some() => {}
        }
    }
}

/// A publish that is under way; resolves to its line. What panics in it stays in it.
pub(super) struct Publishing {
    line: TypeId,
    work: CatchUnwind<AssertUnwindSafe<Work>>,
}

impl Publishing {
    pub(super) fn new(line: TypeId, work: Work) -> Self {
        Self {
            line,
            work: AssertUnwindSafe(work).catch_unwind(),
        }
    }

    pub(super) fn poll_once(&mut self, cx: &mut Context<'_>) -> Option<TypeId> {
        match Pin::new(self).poll(cx) {
            Poll::Ready(line) => Some(line),
            Poll::Pending => None,
        }
    }
}

impl Future for Publishing {
    type Output = TypeId;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TypeId> {
        // The work has settled its account, or does when it is dropped.
        let _ = ready!(self.work.poll_unpin(cx));
        Poll::Ready(self.line)
    }
}
