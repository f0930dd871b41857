//! What a message costs to write and to read, in each form, without a broker:
//!
//!     cargo bench -p algedonic-amqp --bench wire

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use algedonic_transport::{BusId, CorrelationId, EventId, Key, Lane, Message, Metadata};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use self::wire::{WireForm, decode, encode};

// As the crate has it; it is no public API.
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "without the rest of the crate, and with its tests, which do not run here"
)]
#[path = "../src/wire/mod.rs"]
mod wire;

const MAX_BODY: usize = 256 * 1024;

/// An event that another one has caused: of what a bus writes, the usual.
fn message(bytes: usize) -> Message {
    let name = Key::from_static("vsm.state_change");
    let mut metadata = Metadata::new(name, "s3.planner");
    metadata.key = Key::from_static("s3.state_change");
    metadata.origin = Some(BusId::new());
    metadata.correlation = CorrelationId::from(EventId::new());
    metadata.causation = Some(EventId::new());
    Message::new(metadata, Lane::Event, "application/cbor", vec![7; bytes])
}

fn forms(criterion: &mut Criterion) {
    let forms = [
        ("open", WireForm::Open),
        ("cloudevents", WireForm::CloudEvents),
        ("compact", WireForm::Compact),
    ];
    for bytes in [256, 4096] {
        let message = message(bytes);
        let mut group = criterion.benchmark_group("encode");
        for (name, form) in forms {
            group.bench_function(BenchmarkId::new(name, bytes), |bencher| {
                bencher.iter(|| encode(black_box(&message), form).expect("fits"));
            });
        }
        group.finish();
        let mut group = criterion.benchmark_group("decode");
        for (name, form) in forms {
            let encoded = encode(&message, form).expect("fits");
            let key = encoded.routing_key.as_str();
            let now = SystemTime::now();
            group.bench_function(BenchmarkId::new(name, bytes), |bencher| {
                bencher.iter_batched(
                    || encoded.body.to_vec(),
                    |mut body| {
                        decode(
                            Lane::Event,
                            key,
                            &encoded.properties,
                            &mut body,
                            MAX_BODY,
                            now,
                        )
                    },
                    criterion::BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = forms
}
criterion_main!(benches);
