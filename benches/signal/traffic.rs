//! The ordinary events: four publish what four slow subscribers read.

use std::time::Duration;

use algedonic::{Buffer, Bus, Event};
use serde::{Deserialize, Serialize};
use tokio::{sync::broadcast, task::JoinSet, time};

/// Of each.
const PARTIES: u64 = 4;
/// What a subscriber reads in a millisecond: far less than publishers could publish.
const READ: u64 = 64;
/// What a subscriber, or the broadcast, holds unread.
pub(crate) const ROOM: usize = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading([u64; 8]);

impl Event for Reading {
    const NAME: &'static str = "bench.reading";
}

impl Reading {
    pub(crate) fn new(number: u64) -> Self {
        Self([number; 8])
    }
}

/// On the broadcast, which has both kinds.
#[derive(Clone, Debug)]
pub(crate) enum Both {
    Event(Reading),
    /// Due at.
    Signal(u64),
}

/// Publishers that wait for room all the time, since their subscribers are slow and `Block`.
pub(crate) fn on_bus(bus: &Bus) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..PARTIES {
        let mut events = bus.subscribe_with::<Reading>(Buffer::block(ROOM));
        tasks.spawn(async move {
            let mut pace = time::interval(Duration::from_millis(1));
            loop {
                pace.tick().await;
                for _ in 0..READ {
                    events.recv().await.expect("open").expect("no gap");
                }
            }
        });
    }
    for _ in 0..PARTIES {
        let publisher = bus.publisher::<Reading>();
        tasks.spawn(async move {
            for number in 0.. {
                publisher.publish(Reading::new(number)).await.expect("open");
            }
        });
    }
    tasks
}

/// As many events as the bus has: a broadcast cannot wait, so these are paced by the clock, and who is slow
/// loses some.
pub(crate) fn on_broadcast(sender: &broadcast::Sender<Both>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..PARTIES {
        let mut events = sender.subscribe();
        tasks.spawn(async move {
            let mut pace = time::interval(Duration::from_millis(1));
            loop {
                pace.tick().await;
                for _ in 0..READ {
                    if let Ok(Both::Event(reading)) = events.recv().await {
                        std::hint::black_box(reading.0);
                    }
                }
            }
        });
    }
    for _ in 0..PARTIES {
        let sender = sender.clone();
        tasks.spawn(async move {
            let mut pace = time::interval(Duration::from_millis(1));
            loop {
                pace.tick().await;
                for number in 0..READ / PARTIES {
                    // Everybody may have left.
                    let _ = sender.send(Both::Event(Reading::new(number)));
                }
            }
        });
    }
    tasks
}
