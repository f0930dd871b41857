//! What a mirror costs who publishes.

use std::time::{Duration, Instant};

use algedonic::{
    Bus, Event, LinkState, Mirror, Subscription,
    amqp::{Amqp, WireForm},
    resilience::breaker::State,
};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

use crate::{
    ours,
    round::median,
    speed::{Kind, Setting},
};

/// Published one after another, and timed together: fewer than the mirror's queue holds, and than the buffer of the
/// subscriber. Then all of them are waited for.
const BATCH: u64 = 256;

/// In one round, of each bus, one after another: where the buses took turns, what the one has yet to do for its last batch
/// would be done in the time of the other.
const BATCHES: usize = 20;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Sample([u64; 8]);

impl Event for Sample {
    const NAME: &'static str = "bench.sample";
}

/// What becomes of the receipts while the time is taken.
#[derive(Clone, Copy)]
enum Receipts {
    Kept,
    Dropped,
}

/// What `publish` takes its caller, mirrored and local only, with one subscriber on each bus: on two workers, beside
/// which the caller has a thread of its own; on one thread, which it has to itself while the time is taken; and with the broker
/// away.
pub(crate) fn caller(url: &str, two_workers: &Runtime, rounds: usize) {
    let one_thread = Builder::new_current_thread().enable_all().build();
    let one_thread = one_thread.expect("a runtime");
    let play = |runtime: &Runtime, case: &str, url: &str, up, receipts| {
        runtime.block_on(compare(case, url, up, rounds, receipts));
    };
    // Nobody listens there.
    let away = "amqp://127.0.0.1:1";
    play(two_workers, "", url, true, Receipts::Kept);
    play(two_workers, "-unasked", url, true, Receipts::Dropped);
    play(two_workers, "-away", away, false, Receipts::Kept);
    play(&one_thread, "/one-thread", url, true, Receipts::Kept);
    play(
        &one_thread,
        "-unasked/one-thread",
        url,
        true,
        Receipts::Dropped,
    );
    play(&one_thread, "-away/one-thread", away, false, Receipts::Kept);
}

async fn compare(case: &str, url: &str, up: bool, rounds: usize, receipts: Receipts) {
    let setting = Setting {
        url: url.to_owned(),
        kind: Kind::Classic,
        bytes: 64,
        quick: false,
    };
    let config = ours::config(&setting, WireForm::Compact);
    let mirror = Mirror::new(Amqp::new(config).expect("a good configuration")).event::<Sample>();
    let mirrored = Bus::builder().mirror(mirror).build().expect("a good bus");
    let mut links = mirrored.links();
    let wanted = if up { LinkState::Up } else { LinkState::Down };
    while links.next().await.expect("open").state != wanted {}
    if !up {
        // The first failures are behind it, with the pauses before their retries.
        let stack = mirrored.mirror_stack().expect("the default layers");
        while stack.breaker().state() == State::Closed {
            let receipt = mirrored.publish(Sample([0; 8])).await.expect("open");
            let _ = receipt.remote().await;
        }
    }
    let local = Bus::local();
    let mut far = (&mirrored, mirrored.subscribe::<Sample>());
    let mut near = (&local, local.subscribe::<Sample>());
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    // The first round warms up, and does not count.
    for _ in 0..=rounds {
        for _ in 0..BATCHES {
            times[0].push(publish(&mut far, receipts).await);
        }
        for _ in 0..BATCHES {
            times[1].push(publish(&mut near, receipts).await);
        }
        // As the mirrored ones were: after a pause in which the transport and the broker had the processor, and its caches.
        for _ in 0..BATCHES {
            publish(&mut far, receipts).await;
            times[2].push(publish(&mut near, receipts).await);
        }
    }
    let [ours, alone, after] = times.map(|times| median(times[BATCHES..].to_vec()));
    for (peer, theirs) in [("local-only", alone), ("local-only, after as much", after)] {
        println!(
            "mirrored-publish{case} ours={ours:.1} peer={peer} theirs={theirs:.1} ratio={:.2}",
            theirs / ours
        );
    }
    mirrored.shutdown(Duration::from_secs(5)).await;
}

/// Nanoseconds for one call.
async fn publish(
    (bus, subscription): &mut (&Bus, Subscription<Sample>),
    receipts: Receipts,
) -> f64 {
    let mut kept = Vec::with_capacity(256);
    let start = Instant::now();
    match receipts {
        Receipts::Kept => {
            for number in 0..BATCH {
                kept.push(bus.publish(Sample([number; 8])).await.expect("open"));
            }
        }
        Receipts::Dropped => {
            for number in 0..BATCH - 1 {
                drop(bus.publish(Sample([number; 8])).await.expect("open"));
            }
            kept.push(bus.publish(Sample([0; 8])).await.expect("open"));
        }
    }
    let time = start.elapsed().as_secs_f64() * 1e9 / BATCH as f64;
    for receipt in kept {
        let _ = receipt.remote().await;
    }
    for _ in 0..BATCH {
        let _ = subscription.recv().await;
    }
    time
}
