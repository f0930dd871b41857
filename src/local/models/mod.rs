//! Models of the engine's protocols, checked by loom. How to run them: `tests/README.md`.

mod books;
mod end;
mod gate;
mod inbox;
mod log;
mod reading;
mod room;
mod tap;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::sync::Notify;

use super::{
    Buffer, Draft, Lag, Lane, Publication, Refused, Subscription,
    patterns::Patterns,
    tap::fixture::{Tick, origin},
};
use crate::{event::Event, models::check};

/// Runs a future on this thread. It may be polled once for no reason.
fn block_on<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => bell.0.wait(),
        }
    }
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

fn lane<E: Event>() -> Arc<Lane<E>> {
    lane_with(&Arc::new(Patterns::new()))
}

fn lane_with<E: Event>(patterns: &Arc<Patterns>) -> Arc<Lane<E>> {
    Lane::new(origin::<E>(), patterns, &Arc::default())
}

fn subscribe<E: Event>(lane: &Arc<Lane<E>>, lag: Lag, capacity: usize) -> Subscription<E> {
    Subscription::new(Arc::clone(lane), Buffer::new(lag, capacity), false, None)
}

/// As the bus publishes. How many subscribers have the event.
async fn publish<E: Event>(lane: &Lane<E>, event: E) -> Result<u64, Refused> {
    let mut event = Some(event);
    match lane.publish_plain(&mut event) {
        Some(committed) => Ok(committed.subscribers),
        None => {
            let event = event.expect("left where it was");
            let mut publication = publication(lane, event);
            let committed = poll_fn(|cx| publication.poll(Some(cx))).await?;
            Ok(committed.subscribers)
        }
    }
}

/// One that waits for every subscriber who would have a publisher wait or fail.
fn publication<E: Event>(lane: &Lane<E>, event: E) -> Publication<'_, E> {
    Publication::new(lane, Draft { event, full: None }).patient()
}

/// The numbers of all ticks until the end.
fn read_all(subscription: &mut Subscription<Tick>) -> Vec<u64> {
    let mut read = Vec::new();
    while let Some(tick) = block_on(subscription.recv()) {
        read.push(tick.expect("no gap").0);
    }
    read
}

/// The number of the next tick.
fn read_one(subscription: &mut Subscription<Tick>) -> u64 {
    let tick = block_on(subscription.recv_ref());
    tick.expect("not the end").expect("no gap").0
}
