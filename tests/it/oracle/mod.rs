//! The bus and `async-broadcast` side by side: any steps, done to both, have the same outcome.
//!
//! Two modes: [`Lag::Block`] beside a plain channel, [`Lag::DropOldest`] beside one that overflows. Where
//! they differ on purpose, the difference itself is checked:
//!
//! - **What is lent takes room.** With `Lag::Block`, events lent by `recv_ref` and `recv_many` are in the
//!   buffer until the next call. The oracle, which lends nothing, is made to read them then.
//! - **After a gap the next event is kept.** A subscriber of a type that was told of a gap gets the event
//!   behind it, however many are published meanwhile; the oracle loses that as well, and says so in a
//!   second `Overflowed`. So ours gets one event more, and its next gap is smaller by one. Subscribers
//!   of patterns are as the oracle's.
//! - **Nobody listens.** Ours publishes to nobody; the oracle says `Inactive`.
//! - **A publisher that waits at the end** is refused only at the deadline of the shutdown, by the oracle
//!   at once; both with "closed".

mod pair;
mod steps;

use std::time::Duration;

use algedonic::{Buffer, Bus, Error, ErrorKind, Lag, Receipt};
use async_broadcast::TrySendError;
use futures_util::FutureExt;
use proptest::prelude::*;

use self::{
    pair::Pair,
    steps::{Step, Way, plan},
};
use crate::{events::Tick, wakers::Held};

type Outcome = Result<Receipt, Error>;

struct Machine {
    buffer: Buffer,
    lag: Lag,
    bus: Option<Bus>,
    sender: async_broadcast::Sender<u64>,
    /// Keeps the oracle open while nobody listens.
    _open: async_broadcast::InactiveReceiver<u64>,
    pairs: Vec<Pair>,
    /// A publish that waits for room.
    waiting: Option<(u64, Held<'static, Outcome>)>,
    number: u64,
    published: u64,
    /// Published, times the subscribers that were there.
    offered: u64,
}

impl Machine {
    fn new(lag: Lag, capacity: usize) -> Self {
        let (mut sender, receiver) = async_broadcast::broadcast(capacity);
        sender.set_overflow(lag == Lag::DropOldest);
        Self {
            buffer: Buffer::new(lag, capacity),
            lag,
            bus: Some(Bus::local()),
            sender,
            _open: receiver.deactivate(),
            pairs: Vec::new(),
            waiting: None,
            number: 0,
            published: 0,
            offered: 0,
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish => {
                if let Some(bus) = &self.bus {
                    let outcome = bus.publish(Tick::new(self.number)).now_or_never();
                    self.compare(self.number, outcome);
                    self.number += 1;
                }
            }
            Step::PublishAndWait => self.publish_and_wait(),
            Step::Cancel => self.waiting = None,
            Step::Subscribe { pattern } => {
                if let Some(bus) = &self.bus {
                    let pair = Pair::new(bus, &self.sender, self.buffer, self.lag, *pattern);
                    self.pairs.push(pair);
                }
            }
            Step::Receive(index, way) if !self.pairs.is_empty() => {
                let pair = index.get_mut(&mut self.pairs);
                pair.receive(*way, self.published);
            }
            Step::Leave(index) if !self.pairs.is_empty() => {
                let index = index.index(self.pairs.len());
                self.pairs.swap_remove(index);
            }
            Step::Receive(..) | Step::Leave(_) => {}
            Step::Shutdown => {
                if let Some(bus) = &self.bus {
                    shut_down(bus);
                    self.sender.close();
                }
            }
            Step::DropBus => {
                // It holds the bus.
                self.waiting = None;
                self.balance();
                self.bus = None;
                self.sender.close();
            }
        }
        self.let_in();
    }

    fn publish_and_wait(&mut self) {
        let (None, Some(bus)) = (&self.waiting, self.bus.clone()) else {
            return;
        };
        let number = self.number;
        self.number += 1;
        let mut publish = Held::new(async move { bus.publish(Tick::new(number)).await });
        let outcome = publish.poll();
        if outcome.is_none() {
            self.waiting = Some((number, publish));
        }
        self.compare(number, outcome);
    }

    /// The publish that waits is woken as soon as there is room, and not before it gets in.
    fn let_in(&mut self) {
        let Some((number, publish)) = &mut self.waiting else {
            return;
        };
        let open = self.sender.is_closed() || !self.sender.is_full();
        assert!(publish.is_woken() || !open, "room, and nobody wakes it");
        let outcome = publish.poll();
        assert_eq!(outcome.is_some(), open);
        if outcome.is_some() {
            let number = *number;
            self.waiting = None;
            self.compare(number, outcome);
        }
    }

    /// Publishes to the oracle what was published here.
    fn compare(&mut self, number: u64, outcome: Option<Outcome>) {
        let receivers = self.sender.receiver_count() as u64;
        match (outcome, self.sender.try_broadcast(number)) {
            (None, Err(TrySendError::Full(_))) => {}
            (Some(Err(error)), Err(TrySendError::Closed(_))) => {
                assert_eq!(error.kind(), ErrorKind::Closed);
            }
            (Some(Ok(receipt)), Ok(_) | Err(TrySendError::Inactive(_))) => {
                assert_eq!(receipt.local().subscribers, receivers);
                self.published += 1;
                self.offered += receivers;
            }
            (ours, oracle) => panic!("{number}: {ours:?}, and the oracle {oracle:?}"),
        }
    }

    fn balance(&self) {
        if let Some(bus) = &self.bus {
            bus.books().assert_balanced();
            assert_eq!(bus.counts().published, self.published);
            assert_eq!(bus.books().total().offered, self.offered);
        }
    }

    /// Each reads what is left.
    fn finish(mut self) {
        self.waiting = None;
        for pair in &mut self.pairs {
            while pair.receive(Way::Owned, self.published) {}
        }
        self.balance();
        self.pairs.clear();
        self.balance();
    }
}

fn shut_down(bus: &Bus) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(bus.shutdown(Duration::from_secs(1)));
}

fn run(lag: Lag, (capacity, steps): (usize, Vec<Step>)) {
    let mut machine = Machine::new(lag, capacity);
    for step in &steps {
        machine.step(step);
    }
    machine.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The same events in the same order, and the same publishes wait.
    #[test]
    fn a_lossless_subscriber_sees_what_the_oracle_sees(plan in plan()) {
        run(Lag::Block, plan);
    }

    /// The same events, and the same numbers of missing ones.
    #[test]
    fn a_lossy_subscriber_misses_what_the_oracle_misses(plan in plan()) {
        run(Lag::DropOldest, plan);
    }
}
