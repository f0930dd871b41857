use std::{
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use algedonic::{Bus, ErrorKind, PublishOptions};
use tokio::task::yield_now;

use super::marks::{Expiring, Mark, Marked};
use crate::seed::Random;

/// When publishers stop.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Published(u64),
    Passed(Instant),
}

/// What publishers and subscribers share.
pub(super) struct Load {
    pub(super) bus: Bus,
    until: Until,
    pub(super) expiring: Expiring,
    /// Per publisher: how many events it has at least begun to publish.
    begun: Vec<AtomicU64>,
    /// Per publisher: how many have been published.
    done: Vec<AtomicU64>,
    /// Publishes that were dropped while they waited.
    pub(super) cancelled: AtomicU64,
    /// Publishes that were refused.
    pub(super) refused: AtomicU64,
}

/// Gives way so many times.
pub(super) async fn pause(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

impl Load {
    pub(super) fn new(bus: Bus, publishers: usize, until: Until, expiring: Expiring) -> Self {
        let numbers = || (0..publishers).map(|_| AtomicU64::new(0)).collect();
        Self {
            bus,
            until,
            expiring,
            begun: numbers(),
            done: numbers(),
            cancelled: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn begun(&self) -> Vec<u64> {
        self.begun
            .iter()
            .map(|number| number.load(SeqCst))
            .collect()
    }

    pub(super) fn done(&self) -> Vec<u64> {
        self.done.iter().map(|number| number.load(SeqCst)).collect()
    }

    fn goes_on(&self, number: u64) -> bool {
        match self.until {
            Until::Published(events) => number < events,
            Until::Passed(instant) => Instant::now() < instant,
        }
    }

    /// Publishes one event after another, in every way, and drops some that wait. What was dropped or
    /// refused has not happened: the same is published again.
    pub(super) async fn publish<E: Marked>(&self, publisher: usize, mut random: Random) {
        let mut number = 0;
        while self.goes_on(number) {
            let several = if random.one_in(16) {
                random.below(5)
            } else {
                1
            };
            let expires = (number..number + several).any(|number| self.expiring.has(number));
            let several = if expires { 1 } else { several };
            self.begun[publisher].store(number + several, SeqCst);
            number += self
                .attempt::<E>(publisher, number, several, &mut random)
                .await;
            self.done[publisher].store(number, SeqCst);
            if random.one_in(8) {
                pause(random.below(4)).await;
            }
        }
        self.begun[publisher].store(number, SeqCst);
    }

    /// How many were published.
    async fn attempt<E: Marked>(
        &self,
        publisher: usize,
        number: u64,
        several: u64,
        random: &mut Random,
    ) -> u64 {
        let event = |number| E::new(Mark { publisher, number });
        let handle = self.bus.publisher::<E>();
        let outcome = if self.expiring.has(number) {
            let late = PublishOptions::new().ttl(Duration::ZERO);
            let publish = handle.publish_with(event(number), late);
            publish.await.map(drop)
        } else if several == 1 {
            match random.below(8) {
                0 => handle.try_publish(event(number)),
                1 => self.bus.publish(event(number)).await,
                2 => {
                    let options = PublishOptions::new();
                    self.bus.publish_with(event(number), options).await
                }
                3 | 4 => tokio::select! {
                    biased;
                    outcome = handle.publish(event(number)) => outcome,
                    () = pause(random.below(6)) => return self.cancel(),
                },
                5 if random.one_in(16) => {
                    let patience = Duration::from_micros(random.below(2000));
                    let publish = self.bus.publish(event(number));
                    match tokio::time::timeout(patience, publish).await {
                        Ok(outcome) => outcome,
                        Err(_) => return self.cancel(),
                    }
                }
                _ => handle.publish(event(number)).await,
            }
            .map(drop)
        } else {
            let events = (number..number + several).map(event);
            match handle.publish_all(events).await {
                Ok(receipts) => {
                    assert_eq!(receipts.len() as u64, several);
                    return several;
                }
                Err(interrupted) if interrupted.receipts.is_empty() => Err(interrupted.error),
                Err(interrupted) => return interrupted.receipts.len() as u64,
            }
        };
        match outcome {
            Ok(()) => 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                self.refused.fetch_add(1, SeqCst);
                yield_now().await;
                0
            }
        }
    }

    fn cancel(&self) -> u64 {
        self.cancelled.fetch_add(1, SeqCst);
        0
    }
}
