//! What an event costs that nobody receives, beside what making it costs.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use algedonic::{Bus, EventId};
use criterion::{Criterion, Throughput};
use tokio::{runtime::Runtime, sync::broadcast};

use crate::{
    load::{self, CAPACITY, Reading},
    payload::{Payload, Sealed},
};

pub(crate) fn bench(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = load::group(criterion, "nobody receives");
    group.throughput(Throughput::Elements(1));

    // Entering the runtime is no part of it.
    let bus = Bus::local();
    let by_bus = async |events| {
        let start = Instant::now();
        for number in 0..events {
            bus.publish(Reading::new(number)).await.expect("open");
        }
        start.elapsed()
    };
    group.bench_function("ours, Bus::publish", |bencher| {
        bencher.iter_custom(|events| runtime.block_on(by_bus(events)));
    });
    let publisher = bus.publisher::<Reading>();
    let by_publisher = async |events| -> Duration {
        let start = Instant::now();
        for number in 0..events {
            publisher.publish(Reading::new(number)).await.expect("open");
        }
        start.elapsed()
    };
    group.bench_function("ours, Publisher::publish", |bencher| {
        bencher.iter_custom(|events| runtime.block_on(by_publisher(events)));
    });

    let (sender, _) = broadcast::channel(CAPACITY);
    group.bench_function("tokio broadcast", |bencher| {
        bencher.iter(|| sender.send(black_box(Reading::new(1))).is_err());
    });
    let maker = Arc::<Sealed>::maker();
    let (sender, _) = broadcast::channel(CAPACITY);
    group.bench_function("tokio broadcast, same metadata", |bencher| {
        bencher.iter(|| sender.send(Arc::<Sealed>::make(&maker, 1)).is_err());
    });
    group.bench_function("metadata and Arc alone", |bencher| {
        bencher.iter(|| Arc::<Sealed>::make(&maker, 1));
    });
    group.bench_function("an event id alone", |bencher| bencher.iter(EventId::new));
    group.finish();
}
