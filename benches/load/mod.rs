//! What every benchmark puts on a bus, the runtimes it does so on, and how a round is timed.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use algedonic::Event;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

/// An event of 64 bytes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Reading {
    pub(crate) values: [u64; 8],
}

impl Event for Reading {
    const NAME: &'static str = "bench.reading";
}

impl Reading {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            values: [number; 8],
        }
    }
}

/// One side's work in a round, from its first event to its last.
pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Everything that happens in one round; each piece of work becomes a task.
pub(crate) struct Round {
    pub(crate) publishers: Vec<Work>,
    pub(crate) subscribers: Vec<Work>,
}

impl Round {
    /// Plays it, from the first publish until every task has ended.
    pub(crate) async fn time(self) -> Duration {
        let subscribers: Vec<_> = self.subscribers.into_iter().map(tokio::spawn).collect();
        // On one thread this lets the subscribers begin to wait, as they would in an application.
        tokio::task::yield_now().await;
        let start = Instant::now();
        let publishers: Vec<_> = self.publishers.into_iter().map(tokio::spawn).collect();
        for ended in join_all(publishers.into_iter().chain(subscribers)).await {
            ended.expect("no task of a round panics");
        }
        start.elapsed()
    }
}

/// Times a round again and again; making it costs nothing that is counted.
pub(crate) fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    runtime: &Runtime,
    round: impl Fn() -> Round,
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let time = async || {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    sum += round().time().await;
                }
                sum
            };
            runtime.block_on(time())
        });
    });
}

/// A group that takes seconds, not minutes.
pub(crate) fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    group
}

/// The two runtimes an application is likely to have, by name.
pub(crate) fn runtimes() -> [(&'static str, Runtime); 2] {
    let built = |builder: &mut Builder| builder.enable_time().build().expect("a runtime");
    [
        ("current thread", built(&mut Builder::new_current_thread())),
        (
            "two workers",
            built(Builder::new_multi_thread().worker_threads(2)),
        ),
    ]
}
