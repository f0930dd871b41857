use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use algedonic::{
    Buffer, Bus, Event, EventId, Key, KeyError, LinkState, Mirror, Remote,
    memory::{Broker, Faults},
    resilience::{
        breaker::BreakerConfig,
        retry::{Budget, RetryConfig},
    },
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::{Builder, Runtime},
    time::sleep,
};

use super::flaky::{CONFIRM, Fate, Flaky, REFUSE};
use crate::{events::Tick, mirror::link_is, patience::within};

/// One of a chain; the key is the chain's.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step {
    chain: u8,
    number: u64,
}

impl Event for Step {
    const NAME: &'static str = "test.step";
    const KEYS: &'static str = "test.step.*";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("test.step.{}", self.chain))
    }
}

fn paused() -> Runtime {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime")
}

/// Retries that follow soon, and are never too many.
fn soon() -> RetryConfig {
    let (first, longest) = (Duration::from_millis(8), Duration::from_millis(40));
    RetryConfig::default()
        .delays(first, longest)
        .budget(Budget::Unlimited)
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        3 => Just(0_u64),
        3 => 1..30_u64,
        1 => 5_000..9_000_u64,
    ]
    .prop_map(Duration::from_millis)
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => time().prop_map(Fate::Confirm),
        3 => time().prop_map(Fate::Refuse),
        2 => (any::<bool>(), time()).prop_map(|(arrives, after)| Fate::Doubt { arrives, after }),
    ]
}

/// What was seen of one run.
struct Run {
    /// Per chain, in the order of publishing.
    published: HashMap<Key, Vec<EventId>>,
    remotes: Vec<(EventId, Remote)>,
    arrived: Vec<(Key, EventId)>,
    retries: u64,
}

/// Publishes each of `chains`, and then pauses.
async fn run(fates: Vec<Fate>, chains: Vec<(u8, Duration)>, breaker: BreakerConfig) -> Run {
    let transport = Flaky::new(fates);
    let mirror = Mirror::new(transport.clone())
        .breaker(breaker)
        .retry(soon())
        .outbound::<Step>();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let (mut published, mut receipts) = (HashMap::<_, Vec<_>>::new(), Vec::new());
    for (number, (chain, pause)) in (0..).zip(chains) {
        let step = Step { chain, number };
        let key = step.key().expect("a key");
        let receipt = here.publish(step).await.expect("open");
        published.entry(key).or_default().push(receipt.id());
        receipts.push((receipt.id(), receipt.remote()));
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
    let mut remotes = Vec::new();
    for (id, remote) in receipts {
        remotes.push((id, within("the outcome", remote).await));
    }
    let stack = here.mirror_stack().expect("there");
    Run {
        published,
        remotes,
        arrived: transport.arrived(),
        retries: stack.retry().status().retries,
    }
}

impl Run {
    /// The model: of each chain, what arrives for the first time arrives in the order of publishing; and a receipt
    /// tells no lie.
    fn judge(&self) {
        for (key, published) in &self.published {
            let mut seen = HashSet::new();
            let of_key = self.arrived.iter().filter(|(arrived, _)| arrived == key);
            let first: Vec<_> = of_key
                .filter(|(_, id)| seen.insert(*id))
                .map(|(_, id)| published.iter().position(|other| other == id))
                .collect();
            assert!(first.is_sorted(), "{key}: {first:?}");
        }
        let arrived: HashSet<_> = self.arrived.iter().map(|(_, id)| *id).collect();
        for (id, remote) in &self.remotes {
            match remote {
                Remote::Confirmed => assert!(arrived.contains(id), "{remote}"),
                Remote::LocalOnly(_) => assert!(!arrived.contains(id), "{remote}"),
                Remote::Unknown { .. } => {}
                other => panic!("{other}"),
            }
        }
    }
}

/// "In order per key, over retry", and outcomes that are true, whatever becomes of each attempt and whenever that is said.
#[test]
fn no_event_is_overtaken_by_a_later_one_of_its_key() {
    let steps = prop::collection::vec(
        (0..3_u8, prop_oneof![2 => Just(Duration::ZERO), 1 => time()]),
        1..40,
    );
    let cases = (prop::collection::vec(fate(), 1..80), steps, any::<bool>());
    let mut runner = TestRunner::new(Config::with_cases(400));
    let (retries, repaired) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let runs = runner.run(&cases, |(fates, steps, trips)| {
        let breaker = BreakerConfig::amqp();
        let breaker = if trips {
            breaker
        } else {
            breaker.trip(never())
        };
        let run = paused().block_on(run(fates, steps, breaker));
        run.judge();
        retries.set(retries.get() + run.retries);
        let confirmed = run
            .remotes
            .iter()
            .filter(|(_, remote)| remote.is_confirmed());
        repaired.set(repaired.get() + confirmed.count());
        Ok(())
    });
    runs.expect("the order holds");
    println!("{} retries, {} confirmed", retries.get(), repaired.get());
    assert!(retries.get() > 1_000, "{}", retries.get());
}

fn never() -> algedonic::resilience::breaker::Trip {
    algedonic::resilience::breaker::Trip::Consecutive {
        failure_threshold: 2_047,
    }
}

/// While one waits for its next attempt those behind it do, too: so all get through.
#[tokio::test(start_paused = true)]
async fn nobody_passes_one_that_waits_and_all_get_through() {
    let transport = Flaky::new([REFUSE, REFUSE, CONFIRM]);
    let here = transport.bus(|mirror| mirror);
    let (mut ids, mut remotes) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        ids.push(receipt.id());
        remotes.push(receipt.remote());
    }
    for remote in remotes {
        let remote = within("the outcome", remote).await;
        assert!(remote.is_confirmed(), "{remote}");
    }
    let arrived: Vec<_> = transport.arrived().into_iter().map(|(_, id)| id).collect();
    assert_eq!((arrived, transport.calls()), (ids, 12));
}

/// The same over a broker that is cut off, stopped and blocked, as another bus sees it.
#[test]
fn a_receiver_sees_each_key_in_order_over_cuts_and_retries() {
    const STEPS: u64 = 150;
    let mut retries = 0;
    for seed in 0..60 {
        retries += paused().block_on(async {
            let broker = Broker::new();
            let mirror = |name| Mirror::new(broker.transport(name)).retry(soon());
            let here = mirror("here").outbound::<Step>();
            let here = Bus::builder().mirror(here).build().expect("good");
            let there = mirror("there").inbound::<Step>();
            let there = Bus::builder().mirror(there).build().expect("good");
            link_is(&there, LinkState::Up).await;
            let mut steps = there.subscribe_with::<Step>(Buffer::block(1 << 10));
            broker.inject(Faults::seeded(seed).one_in(5));
            let mut receipts = Vec::new();
            for number in 0..STEPS {
                let chain = u8::try_from(number % 3).expect("small");
                receipts.push(here.publish(Step { chain, number }).await.expect("open"));
                if number % 7 == seed % 7 {
                    sleep(Duration::from_millis(number)).await;
                }
            }
            let mut sure = HashSet::new();
            for (number, receipt) in (0..).zip(receipts) {
                let remote = within("the outcome", receipt.remote()).await;
                assert!(!remote.is_confirmed() || sure.insert(number));
            }
            broker.inject(Faults::new());
            broker.unblock();
            broker.start();
            // What is on its way arrives, then the marks of the end.
            link_is(&here, LinkState::Up).await;
            for chain in 0..3 {
                let mark = Step {
                    chain,
                    number: STEPS,
                };
                let remote = here.publish(mark).await.expect("open").remote();
                let remote = within("the confirm", remote).await;
                assert!(remote.is_confirmed(), "{seed}: {remote}");
            }
            let mut latest = [None; 3];
            while latest != [Some(STEPS); 3] {
                let step = within("the next", steps.recv()).await;
                let step = step.expect("open").expect("no gap");
                let latest = &mut latest[usize::from(step.chain)];
                assert!(
                    *latest < Some(step.number),
                    "{seed}: {step:?} after {latest:?}"
                );
                *latest = Some(step.number);
                sure.remove(&step.number);
            }
            assert!(
                sure.is_empty(),
                "{seed}: confirmed, and did not arrive: {sure:?}"
            );
            here.mirror_stack().expect("there").retry().status().retries
        });
    }
    println!("{retries} retries");
    assert!(retries > 100, "{retries}");
}
