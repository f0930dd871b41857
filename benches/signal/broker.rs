//! From `signal()` in one bus to a subscriber of another, through RabbitMQ, with and without a backlog of events.

use std::time::{Duration, Instant};

use algedonic::{
    Buffer, Bus, Level, Mirror, Signal, SignalSubscription, Subscription,
    amqp::{Amqp, AmqpConfig},
};
use algedonic_test_broker::{shared_url, unique};
use tokio::runtime::Runtime;

use crate::{
    options::Options,
    pace,
    times::{Times, judge, print},
    traffic::{ROOM, Reading},
};

const PACE: Duration = Duration::from_millis(10);
/// How many events are confirmed together while the backlog is made.
const BATCH: u64 = 500;
/// With the backlog, times without.
const MOST: f64 = 3.0;

const METRIC: &str = "bench";

/// Two buses of one system.
struct Pair {
    here: Bus,
    there: Bus,
    /// Full from the first thousand on, and never read: the rest waits on the broker.
    _events: Subscription<Reading>,
}

impl Pair {
    async fn new(url: &str) -> Self {
        let prefix = unique("bench");
        let bus = async |queue| {
            let config = AmqpConfig::new(url).expect("an address");
            let config = config.prefix(&prefix).queue(queue);
            let amqp = Amqp::new(config).expect("a good configuration");
            let mirror = Mirror::new(amqp).event::<Reading>();
            let bus = Bus::builder().mirror(mirror).build().expect("a good bus");
            let mut links = bus.links();
            while !links.next().await.expect("open").is_up() {}
            bus
        };
        let (here, there) = (bus("here").await, bus("there").await);
        let events = there.subscribe_with(Buffer::block(ROOM));
        Self {
            here,
            there,
            _events: events,
        }
    }

    /// Publishes what nobody reads, until the broker has confirmed all of it.
    async fn heap(&self, backlog: u64) {
        for first in (0..backlog).step_by(usize::try_from(BATCH).expect("small")) {
            let mut receipts = Vec::new();
            for number in first..first + BATCH {
                let published = self.here.publish(Reading::new(number)).await;
                receipts.push(published.expect("open"));
            }
            for receipt in receipts {
                let remote = receipt.remote().await;
                assert!(remote.is_confirmed(), "{remote}");
            }
        }
    }

    fn round(&self, runtime: &Runtime, length: Duration) -> Vec<u64> {
        let start = Instant::now();
        let receiving = runtime.spawn(receive(self.there.signals(), start, length));
        pace::raise(start, PACE, length, |due| {
            let pain = Signal::pain(Level::Critical, METRIC).measured(due as f64, 0.0);
            runtime.block_on(self.here.signal(pain)).expect("open");
        });
        runtime.block_on(receiving).expect("every signal comes")
    }
}

async fn receive(mut signals: SignalSubscription, start: Instant, length: Duration) -> Vec<u64> {
    let mut times = Vec::new();
    while times.len() < pace::count(PACE, length) {
        let signal = signals.recv().await.expect("open").expect("no gap");
        // The bus may have pains of its own.
        if signal.metric == METRIC {
            let due = signal.value.expect("set");
            times.push(pace::late(start, pace::due_of(due)));
        }
    }
    times
}

pub(crate) fn compare(runtime: &Runtime, options: &Options) {
    let url = shared_url();
    let backlog = options.backlog();
    let [idle, heaped] = [(); 2].map(|()| runtime.block_on(Pair::new(&url)));
    runtime.block_on(heaped.heap(backlog));
    let mut times = [(); 2].map(|()| Times::default());
    // One to warm up.
    for round in 0..=options.rounds() {
        for turn in 0..2 {
            let index = (round + turn) % 2;
            let took = [&idle, &heaped][index].round(runtime, options.length());
            if round > 0 {
                times[index].add(took);
            }
        }
    }
    let received = heaped.there.counts().received;
    let [without, with] = times;
    let case = format!("rabbitmq/backlog-{backlog}");
    print(&case, &with, "idle", &without);
    println!("    {received} messages of the backlog and signals have left it");
    judge(&with, &without, MOST);
}
