use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use algedonic::{Buffer, Bus, Handler};

use super::{
    load::pause,
    marks::{Left, Marked},
};
use crate::seed::Random;

/// A group of handlers: one stays, one comes and goes.
pub(super) struct Group {
    over: AtomicBool,
    /// Events that a handler has begun.
    pub(super) begun: AtomicU64,
    pub(super) members: AtomicU64,
}

impl Group {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            over: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            members: AtomicU64::new(0),
        })
    }

    pub(super) fn end(&self) {
        self.over.store(true, SeqCst);
    }

    /// One that now and then fails.
    pub(super) fn join(self: &Arc<Self>, bus: &Bus, concurrency: usize) -> Handler {
        self.members.fetch_add(1, SeqCst);
        let group = Arc::clone(self);
        bus.on::<Left>()
            .group("stress")
            .buffer(Buffer::block(8))
            .concurrency(concurrency)
            .handle(move |event| {
                let number = event.mark().number;
                group.begun.fetch_add(1, SeqCst);
                async move {
                    if number.is_multiple_of(5) {
                        pause(number % 3).await;
                    }
                    if number % 97 == 3 {
                        return Err(io::Error::other("planted"));
                    }
                    Ok(())
                }
            })
    }

    /// Joins and leaves: dropped, or drained, or drained within no time.
    pub(super) async fn come_and_go(self: Arc<Self>, bus: Bus, mut random: Random) {
        while !self.over.load(SeqCst) {
            let member = self.join(&bus, 1 + random.index(4));
            pause(random.below(400)).await;
            match random.below(3) {
                0 => drop(member),
                1 => {
                    member.drain().await;
                }
                _ => {
                    member.drain_within(Duration::ZERO).await;
                }
            }
        }
    }
}
