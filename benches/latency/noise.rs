//! The load besides.

use std::{
    fmt,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::lanes::Lane;

/// Where other events are published meanwhile, if at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noise {
    None,
    Elsewhere,
    SameLane,
}

/// Nanoseconds from one event of the load to the next: 200,000 a second.
const PERIOD: u128 = 5_000;

/// How many that are late come at once, at most.
const BURST: u64 = 64;

impl Noise {
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::Elsewhere, Self::SameLane];
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "idle",
            Self::Elsewhere => "200k-elsewhere",
            Self::SameLane => "200k-same-lane",
        })
    }
}

/// Publishes what is due, gives way to other tasks, and so on for ever: it never sleeps.
pub(crate) async fn publish<L: Lane>(sender: L::Sender, published: Arc<AtomicU64>) {
    let start = Instant::now();
    let mut sent = 0;
    loop {
        let due = u64::try_from(start.elapsed().as_nanos() / PERIOD).unwrap_or(u64::MAX);
        let burst = due.saturating_sub(sent).min(BURST);
        for _ in 0..burst {
            L::send(&sender, [0; 8]).await;
        }
        sent += burst;
        published.store(sent, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// Reads it, for ever.
pub(crate) async fn read<L: Lane>(mut receiver: L::Receiver) {
    loop {
        black_box(L::receive(&mut receiver).await);
    }
}
