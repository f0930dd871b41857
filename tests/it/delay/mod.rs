mod basics;
mod ending;
mod hostile;
#[cfg(feature = "memory")]
mod mirrored;
mod model;
mod order;
mod races;
mod reference;
mod said;

use std::time::Duration;

use algedonic::{Bus, Event, Subscription};
use futures_util::FutureExt;

/// Another type than [`Tick`](crate::events::Tick).
#[derive(Debug, PartialEq)]
struct Tock(u64);

impl Event for Tock {
    const NAME: &'static str = "test.tock";
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Every delayed event is in exactly one of the numbers.
#[track_caller]
fn assert_balanced(bus: &Bus) {
    let counts = bus.counts();
    let settled = counts.delayed_published
        + counts.delayed_refused
        + counts.delayed_cancelled
        + counts.delayed_abandoned;
    assert_eq!(
        counts.delayed,
        settled + counts.delayed_pending,
        "{counts:?}"
    );
}

/// Lets the others have their turns, without letting time pass.
async fn turns() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// What is there to be read.
fn read<E: Event, T>(subscription: &mut Subscription<E>, what: impl Fn(&E) -> T) -> Vec<T> {
    let mut seen = Vec::new();
    while let Some(Some(item)) = subscription.recv().now_or_never() {
        seen.push(what(&item.expect("no gap")));
    }
    seen
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}
