//! How criterion times a round.

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use tokio::runtime::Runtime;

use super::Round;

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
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    group
}
