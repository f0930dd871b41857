use algedonic::{
    AnyEnvelope, Buffer, Bus, Event, LinkState, Mirror, PatternSubscription, memory::Broker,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::{mirror::link_is, patience::within, seed::Random};

/// One link of a chain: whoever has its baton publishes the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link<const TYPE: u8> {
    chain: usize,
    number: u64,
}

macro_rules! link {
    ($($number:literal $name:literal)*) => {
        $(impl Event for Link<$number> {
            const NAME: &'static str = $name;
        })*

        fn mirror(broker: &Broker, name: &str) -> Mirror {
            Mirror::new(broker.transport(name)).outbound_capacity(1 << 16)$(.event::<Link<$number>>())*
        }

        async fn publish(bus: &Bus, kind: u64, chain: usize, number: u64) {
            let receipt = match kind {
                $($number => bus.publish(Link::<$number> { chain, number }).await,)*
                _ => unreachable!(),
            };
            receipt.expect("open");
        }

        fn read(event: &AnyEnvelope) -> (usize, u64) {
            $(if let Some(link) = event.downcast::<Link<$number>>() {
                return (link.chain, link.number);
            })*
            unreachable!("an event of these types")
        }
    };
}
link!(0 "test.link.a" 1 "test.link.b" 2 "test.link.c" 3 "test.link.d");

const KINDS: u64 = 4;
const CHAINS: usize = 6;
const TASKS: usize = 4;
const LINKS: u64 = 1_000;

async fn assert_in_order(links: &mut PatternSubscription) {
    let mut next = [0; CHAINS];
    while next.iter().any(|next| *next < LINKS) {
        let event = within("the next link", links.recv()).await;
        let (chain, number) = read(&event.expect("open").expect("no gap"));
        assert_eq!(number, next[chain], "of chain {chain}");
        next[chain] += 1;
    }
}

fn bus(mirror: Mirror) -> Bus {
    Bus::builder().mirror(mirror).build().expect("good")
}

/// Each chain's next link is published by another task, on another thread, as an event of another type, once the one before it
/// is published; several chains at once. Elsewhere each chain arrives in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_published_before_arrives_before_over_types_and_tasks() {
    let mut random = Random::seeded("order over types");
    let broker = Broker::new();
    let (here, there) = (bus(mirror(&broker, "here")), bus(mirror(&broker, "there")));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut links = there
        .subscribe_pattern_with("#", Buffer::block(1 << 16))
        .expect("a pattern");
    let (senders, receivers): (Vec<_>, Vec<_>) =
        (0..TASKS).map(|_| mpsc::unbounded_channel()).unzip();
    for chain in 0..CHAINS {
        senders[random.index(TASKS)]
            .send((chain, 0))
            .expect("there");
    }
    let tasks = receivers.into_iter().map(|mut batons| {
        let (here, senders, mut random) = (here.clone(), senders.clone(), random.fork());
        tokio::spawn(async move {
            while let Some((chain, mut number)) = batons.recv().await {
                // Some at once, then it goes to another.
                for _ in 0..=random.below(4) {
                    if number < LINKS {
                        publish(&here, random.below(KINDS), chain, number).await;
                        number += 1;
                    }
                }
                if number < LINKS {
                    let next = random.index(TASKS);
                    senders[next].send((chain, number)).expect("all are there");
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    drop(senders);
    let reader = tokio::spawn(async move { assert_in_order(&mut links).await });
    reader.await.expect("in order");
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let counts = here.counts();
    assert_eq!(counts.local_only + counts.unknown, 0);
}
