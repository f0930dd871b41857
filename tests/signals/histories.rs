//! A random history of signals and kept events, of a broker that comes, goes, falls silent and loses answers, and of
//! processes that die. What was said to be safe arrives, once; in order, where no answer was lost.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use algedonic::{Buffer, Bus, EventId, Level, LinkState, Signal, memory::Broker};
use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::{sleep, timeout};

use super::{Kept, Shelf, link_is, number_of, numbered, receiver, sender};

const LEVELS: [Level; 4] = [Level::Low, Level::Medium, Level::High, Level::Critical];

#[derive(Clone, Debug)]
enum Step {
    /// Signals of this level, one after another.
    Signals(usize, u8),
    /// Kept events, without waiting for their outcome.
    Events(u8),
    Stop,
    Start,
    Hold,
    Release,
    Block,
    Unblock,
    /// The next answers are lost.
    Lose(u8),
    /// The next are refused.
    Reject(u8),
    /// The disk takes so many milliseconds.
    Slow(u8),
    Wait(u16),
    /// The process dies, and another takes its place.
    Die,
}

fn steps(faithful: bool) -> impl Strategy<Value = Vec<Step>> {
    let common = prop_oneof![
        6 => (0..4_usize, 1..6_u8).prop_map(|(level, count)| Step::Signals(level, count)),
        4 => (1..20_u8).prop_map(Step::Events),
        2 => Just(Step::Stop),
        3 => Just(Step::Start),
        1 => Just(Step::Block),
        2 => Just(Step::Unblock),
        1 => (0..20_u8).prop_map(Step::Slow),
        4 => (1..2_000_u16).prop_map(Step::Wait),
        1 => Just(Step::Die),
    ];
    let faults = prop_oneof![
        1 => Just(Step::Hold),
        2 => Just(Step::Release),
        1 => (1..4_u8).prop_map(Step::Lose),
        1 => (1..4_u8).prop_map(Step::Reject),
    ];
    let step = if faithful {
        common.boxed()
    } else {
        prop_oneof![6 => common, 1 => faults].boxed()
    };
    prop::collection::vec(step, 1..40)
}

/// What was said of a message, by its id.
#[derive(Default)]
struct Ledger {
    /// Signals that are safe, by level, in the order of their calls.
    signals: BTreeMap<Level, Vec<(u64, EventId)>>,
    events: Vec<(u64, EventId)>,
}

struct World {
    broker: Broker,
    shelf: Shelf,
    here: Bus,
    next: u64,
    ledger: Ledger,
    pending: Vec<(u64, algedonic::Receipt)>,
}

impl World {
    async fn run(&mut self, step: &Step) {
        match *step {
            Step::Signals(level, count) => {
                let level = LEVELS[level];
                for _ in 0..count {
                    let number = self.next;
                    self.next += 1;
                    let signal = self.here.signal(numbered(level, number));
                    let receipt = timeout(Duration::from_secs(20), signal).await;
                    let receipt = receipt.expect("in time").expect("room on the disk");
                    let id = receipt.id();
                    let remote = receipt.remote().now_or_never().expect("known");
                    assert!(remote.is_safe(), "{remote}");
                    let safe = self.ledger.signals.entry(level).or_default();
                    safe.push((number, id));
                }
            }
            Step::Events(count) => {
                for _ in 0..count {
                    let number = self.next;
                    self.next += 1;
                    let receipt = self.here.publish(Kept { number }).await.expect("open");
                    self.pending.push((number, receipt));
                }
            }
            Step::Stop => self.broker.stop(),
            Step::Start => self.broker.start(),
            Step::Hold => self.broker.hold_confirms(),
            Step::Release => self.broker.release_confirms(),
            Step::Block => self.broker.block(),
            Step::Unblock => self.broker.unblock(),
            Step::Lose(count) => self.broker.lose_confirms(count.into()),
            Step::Reject(count) => self.broker.reject_next(count.into()),
            Step::Slow(millis) => self.shelf.set_latency(Duration::from_millis(millis.into())),
            Step::Wait(millis) => sleep(Duration::from_millis(millis.into())).await,
            Step::Die => {
                self.hear_outcomes().await;
                self.here = sender(&self.broker, &self.shelf);
            }
        }
    }

    /// Those that are safe are; of the others nothing was promised.
    async fn hear_outcomes(&mut self) {
        for (number, receipt) in self.pending.drain(..) {
            let id = receipt.id();
            let outcome = timeout(Duration::from_secs(40), receipt.remote()).await;
            if outcome.expect("in time").is_safe() {
                self.ledger.events.push((number, id));
            }
        }
    }
}

/// Gives what arrived: signals by level, and events, each in order.
async fn history(steps: Vec<Step>) -> (Ledger, HashMap<Level, Vec<u64>>, Vec<u64>) {
    let (broker, shelf) = (Broker::new(), Shelf::default());
    let there = receiver(&broker);
    let mut signals = there.signals();
    let mut events = there.subscribe_with::<Kept>(Buffer::block(100_000));
    let heard = tokio::spawn(async move {
        let mut heard: Vec<Signal> = Vec::new();
        while let Some(signal) = signals.recv().await {
            heard.push((*signal.expect("no gap")).clone());
        }
        heard
    });
    link_is(&there, LinkState::Up).await;
    let mut world = World {
        here: sender(&broker, &shelf),
        broker,
        shelf,
        next: 0,
        ledger: Ledger::default(),
        pending: Vec::new(),
    };
    for step in &steps {
        world.run(step).await;
    }
    world.broker.start();
    world.broker.unblock();
    world.broker.release_confirms();
    world.hear_outcomes().await;
    // Refused messages are sent again after up to 5 s each time.
    for _ in 0..3_000 {
        if world.shelf.len() == 0 {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.shelf.len(), 0, "on the disk for ever");
    // What was held is delivered.
    sleep(Duration::from_secs(1)).await;
    there.shutdown(Duration::from_secs(5)).await;
    let mut by_level: HashMap<Level, Vec<u64>> = HashMap::new();
    for signal in heard.await.expect("no panic") {
        by_level
            .entry(signal.level)
            .or_default()
            .push(number_of(&signal));
    }
    let mut arrived = Vec::new();
    while let Some(event) = events.recv().await {
        arrived.push(event.expect("no gap").number);
    }
    (world.ledger, by_level, arrived)
}

fn check(steps: Vec<Step>, in_order: bool) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("started");
    let (ledger, signals, events) = runtime.block_on(history(steps));
    let none = Vec::new();
    let mut lines = vec![("events".to_owned(), ledger.events, &events)];
    for (level, safe) in ledger.signals {
        lines.push((
            level.to_string(),
            safe,
            signals.get(&level).unwrap_or(&none),
        ));
    }
    for (what, safe, heard) in lines {
        let mut once = heard.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(
            once.len(),
            heard.len(),
            "{} were heard twice: {:?}",
            what,
            heard
        );
        for (number, _) in &safe {
            prop_assert!(
                once.binary_search(number).is_ok(),
                "{} {} is lost",
                what,
                number
            );
        }
        if in_order {
            prop_assert!(heard.is_sorted(), "{} in another order: {:?}", what, heard);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_safe_arrives_once_whatever_happens(steps in steps(false)) {
        check(steps, false)?;
    }

    #[test]
    fn and_in_order_where_a_broker_does_nothing_but_come_and_go(steps in steps(true)) {
        check(steps, true)?;
    }
}
