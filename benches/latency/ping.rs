//! One event at a time, to and fro.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use algedonic::Bus;
use tokio::{runtime::Runtime, sync::Notify};

use crate::{
    lanes::Lane,
    noise::{self, Noise},
};

/// Pings in one round.
const PINGS: usize = 5_000;

/// What tells a ping from the load.
const PING: u64 = 1;

/// What one contender needed.
#[derive(Default)]
pub(crate) struct Measured {
    nanoseconds: Vec<u64>,
    elapsed: Duration,
    load: u64,
}

/// Plays one round on `L`; a load elsewhere is on `Other`.
pub(crate) fn play<L: Lane, Other: Lane>(runtime: &Runtime, noise: Noise, measured: &mut Measured) {
    runtime.block_on(async {
        let bus = Bus::local();
        let (sender, receiver) = L::open(&bus);
        let published = Arc::<AtomicU64>::default();
        let count = Arc::clone(&published);
        // The load's reader does not come to the end before it is aborted.
        let mut _open = None;
        let load = match noise {
            Noise::None => vec![],
            Noise::SameLane => vec![tokio::spawn(noise::publish::<L>(sender.clone(), count))],
            Noise::Elsewhere => {
                let (sender, receiver) = Other::open(&bus);
                _open = Some(sender.clone());
                let reads = tokio::spawn(noise::read::<Other>(receiver));
                // It ends first: what it sends is to be read.
                vec![tokio::spawn(noise::publish::<Other>(sender, count)), reads]
            }
        };
        let start = Instant::now();
        let go_on = Arc::new(Notify::new());
        let times = tokio::spawn(receive::<L>(receiver, start, Arc::clone(&go_on)));
        let pings = tokio::spawn(publish::<L>(sender, start, go_on));
        // The subscriber stays for as long as the load publishes.
        let (times, _receiver) = times.await.expect("no panic");
        measured.elapsed += start.elapsed();
        measured.load += published.load(Ordering::Relaxed);
        measured.nanoseconds.extend(times);
        pings.await.expect("no panic");
        for task in load {
            assert!(!task.is_finished(), "the load went on to the end");
            task.abort();
            assert!(task.await.is_err_and(|error| error.is_cancelled()));
        }
    });
}

async fn publish<L: Lane>(sender: L::Sender, start: Instant, go_on: Arc<Notify>) {
    for _ in 0..PINGS {
        L::send(&sender, [PING, now(start), 0, 0, 0, 0, 0, 0]).await;
        go_on.notified().await;
    }
}

async fn receive<L: Lane>(
    mut receiver: L::Receiver,
    start: Instant,
    go_on: Arc<Notify>,
) -> (Vec<u64>, L::Receiver) {
    let mut times = Vec::with_capacity(PINGS);
    while times.len() < PINGS {
        let [kind, sent, ..] = L::receive(&mut receiver).await;
        if kind == PING {
            times.push(now(start) - sent);
            go_on.notify_one();
        }
    }
    (times, receiver)
}

fn now(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).expect("not for ages")
}

impl Measured {
    pub(crate) fn sorted(&mut self) -> &Self {
        self.nanoseconds.sort_unstable();
        self
    }

    /// What so many of a thousand needed at most.
    fn permille(&self, part: usize) -> u64 {
        self.nanoseconds[(self.nanoseconds.len() - 1) * part / 1000]
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, p99, p999] = [500, 990, 999].map(|part| self.permille(part));
        write!(f, "p50={median} p99={p99} p99.9={p999}")?;
        if self.load > 0 {
            let rate = self.load as f64 / self.elapsed.as_secs_f64();
            write!(f, " load={rate:.0}/s")?;
        }
        Ok(())
    }
}
