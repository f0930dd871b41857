use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Buffer, Bus, Retry};
use proptest::prelude::*;

use crate::events::Tick;

/// What one attempt of an event does.
#[derive(Clone, Debug)]
enum Does {
    Succeed,
    Fail,
    Reject,
    Panic,
}

#[derive(Clone, Debug)]
struct Plan {
    key: u32,
    /// One for each attempt; beyond them it succeeds.
    attempts: Vec<(u64, Does)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let does = prop_oneof![
        4 => Just(Does::Succeed),
        4 => Just(Does::Fail),
        1 => Just(Does::Reject),
        1 => Just(Does::Panic),
    ];
    let attempts = prop::collection::vec((0_u64..20, does), 0..4);
    (0_u32..4, attempts).prop_map(|(key, attempts)| Plan { key, attempts })
}

#[derive(Default)]
struct World {
    attempts: HashMap<u64, usize>,
    in_hand: HashMap<u32, usize>,
    most_in_hand: usize,
    most_of_a_key: usize,
    /// By key: the events whose last attempt was made, in that order.
    settled: HashMap<u32, Vec<u64>>,
}

const ATTEMPTS: usize = 3;

/// Lets go of its key when the attempt ends, however it ends.
struct InHand(Arc<Mutex<World>>, u32);

impl Drop for InHand {
    fn drop(&mut self) {
        let mut world = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *world.in_hand.entry(self.1).or_default() -= 1;
    }
}

async fn attempt(
    world: Arc<Mutex<World>>,
    plans: Arc<Vec<Plan>>,
    key: u32,
    number: u64,
) -> Result<(), algedonic::Fail> {
    let plan = &plans[usize::try_from(number).expect("small")];
    let (before, (wait, does)) = {
        let mut world = world.lock().expect("whole");
        let made = world.attempts.entry(number).or_default();
        let before = std::mem::replace(made, *made + 1);
        let of_key = world.in_hand.entry(key).or_default();
        *of_key += 1;
        let of_key = *of_key;
        world.most_of_a_key = world.most_of_a_key.max(of_key);
        world.most_in_hand = world.most_in_hand.max(world.in_hand.values().sum());
        (
            before,
            plan.attempts
                .get(before)
                .cloned()
                .unwrap_or((0, Does::Succeed)),
        )
    };
    let _in_hand = InHand(Arc::clone(&world), key);
    tokio::time::sleep(Duration::from_millis(wait)).await;
    if !matches!(does, Does::Fail) || before + 1 == ATTEMPTS {
        let mut world = world.lock().expect("whole");
        world.settled.entry(key).or_default().push(number);
    }
    match does {
        Does::Succeed => Ok(()),
        Does::Fail => Err("planted".into()),
        Does::Reject => Err(algedonic::Fail::dead_letter("planted")),
        Does::Panic => std::panic::panic_any("planted"),
    }
}

async fn run(plans: Vec<Plan>, concurrency: usize, members: usize, buffer: usize, seed: u64) {
    let (bus, world) = (Bus::local(), Arc::new(Mutex::new(World::default())));
    let plans = Arc::new(plans);
    let handlers: Vec<_> = (0..members)
        .map(|_| {
            let (world, plans) = (Arc::clone(&world), Arc::clone(&plans));
            let delays = Duration::from_millis(5)..Duration::from_millis(50);
            bus.on::<Tick>()
                .group("g")
                .buffer(Buffer::block(buffer))
                .keyed(|tick| tick.publisher)
                .concurrency(concurrency)
                .retry(
                    Retry::attempts(3)
                        .delays(delays.start, delays.end)
                        .seed(seed),
                )
                .handle(move |tick| {
                    let (world, plans) = (Arc::clone(&world), Arc::clone(&plans));
                    attempt(world, plans, tick.publisher, tick.number)
                })
        })
        .collect();
    for (number, plan) in (0..).zip(plans.iter()) {
        let publisher = plan.key;
        let tick = Tick { publisher, number };
        bus.publish(tick).await.expect("open");
    }
    for handler in handlers {
        assert_eq!(handler.drain().await.abandoned, 0);
    }
    let world = world.lock().expect("whole");
    assert!(world.most_of_a_key <= 1, "one of a key at once");
    assert!(world.most_in_hand <= concurrency * members);
    for (key, settled) in &world.settled {
        let published = (0..).zip(plans.iter()).filter(|(_, plan)| plan.key == *key);
        let published: Vec<u64> = published.map(|(number, _)| number).collect();
        assert_eq!(*settled, published, "key {key}");
    }
    let counts = bus.counts();
    assert_eq!(counts.handled + counts.dead_lettered, plans.len() as u64);
    assert_eq!(
        counts.failed + counts.panicked,
        counts.retried + counts.dead_lettered
    );
    assert_eq!(counts.dead_lettered, bus.dead_letters().len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any failures, delays, concurrency, members: the events of a key are settled in the order in
    /// which they were published, one at once, and no more are in hand than was asked for.
    #[test]
    fn each_key_is_settled_in_the_order_of_publishing(
        plans in prop::collection::vec(plan(), 0..40),
        concurrency in 1_usize..6, members in 1_usize..4, buffer in 1_usize..8, seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(plans, concurrency, members, buffer, seed));
    }
}
