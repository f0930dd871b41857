//! From `signal()` to a subscriber in this process.

use std::time::{Duration, Instant};

use algedonic::{Bus, Level, Signal};
use tokio::{
    runtime::Runtime,
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
};

use crate::{
    options::Options,
    pace,
    times::{Times, judge, print},
    traffic::{self, Both},
};

const PACE: Duration = Duration::from_millis(2);
/// Until every buffer is full, and publishers wait.
const FILLING: Duration = Duration::from_millis(100);
/// Under the flood, times idle.
const MOST: f64 = 3.0;

const METRIC: &str = "bench";

type Round = fn(&Runtime, bool, Duration) -> Vec<u64>;

pub(crate) fn compare(runtime: &Runtime, options: &Options) {
    let contenders: [(Round, bool); 4] =
        [(ours, false), (ours, true), (theirs, false), (theirs, true)];
    let mut times = [(); 4].map(|()| Times::default());
    // One to warm up.
    for round in 0..=options.rounds() {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            let (play, flood) = contenders[index];
            let took = play(runtime, flood, options.length());
            if round > 0 {
                times[index].add(took);
            }
        }
    }
    let [idle, flood, their_idle, their_flood] = times;
    print("local/idle", &idle, "tokio-broadcast", &their_idle);
    print("local/flood", &flood, "tokio-broadcast", &their_flood);
    print("local/flood", &flood, "idle", &idle);
    judge(&flood, &idle, MOST);
}

fn ours(runtime: &Runtime, flood: bool, length: Duration) -> Vec<u64> {
    let bus = Bus::local();
    let start = Instant::now();
    let mut signals = bus.signals();
    let receiving = runtime.spawn(async move {
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
    });
    let entered = runtime.enter();
    let tasks = if flood {
        traffic::on_bus(&bus)
    } else {
        JoinSet::new()
    };
    drop(entered);
    std::thread::sleep(FILLING);
    pace::raise(start, PACE, length, |due| {
        let pain = Signal::pain(Level::Critical, METRIC).measured(due as f64, 0.0);
        runtime.block_on(bus.signal(pain)).expect("open");
    });
    finish(runtime, receiving, tasks)
}

/// One broadcast for both kinds. Its reader of signals gets every event too, and is as fast as it can be.
fn theirs(runtime: &Runtime, flood: bool, length: Duration) -> Vec<u64> {
    let (sender, mut receiver) = broadcast::channel(16 * traffic::ROOM);
    let start = Instant::now();
    let receiving = runtime.spawn(async move {
        let mut times = Vec::new();
        while times.len() < pace::count(PACE, length) {
            match receiver.recv().await {
                Ok(Both::Signal(due)) => times.push(pace::late(start, due)),
                Ok(Both::Event(_)) => {}
                Err(RecvError::Lagged(missed)) => panic!("{missed} overwritten"),
                Err(RecvError::Closed) => panic!("closed"),
            }
        }
        times
    });
    let entered = runtime.enter();
    let tasks = if flood {
        traffic::on_broadcast(&sender)
    } else {
        JoinSet::new()
    };
    drop(entered);
    std::thread::sleep(FILLING);
    pace::raise(start, PACE, length, |due| {
        assert!(sender.send(Both::Signal(due)).is_ok(), "open");
    });
    finish(runtime, receiving, tasks)
}

fn finish(
    runtime: &Runtime,
    receiving: tokio::task::JoinHandle<Vec<u64>>,
    mut tasks: JoinSet<()>,
) -> Vec<u64> {
    runtime.block_on(async {
        let times = receiving.await.expect("every signal comes");
        while let Some(ended) = tasks.try_join_next() {
            ended.expect("the flood goes on");
        }
        tasks.shutdown().await;
        times
    })
}
