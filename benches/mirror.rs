//! What a mirror costs: when its broker is away, and when it works.

mod load;

use std::{hint::black_box, time::Duration};

use algedonic::{
    Buffer, Bus, LocalOnly, Mirror, Remote,
    memory::Broker,
    transport::{Message, Outcome},
};
use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;
use tower::{BoxError, Service};

use self::load::{Reading, Round};

/// Events in one round: fewer than the mirror's queue holds, so that each goes its whole way.
const EVENTS: u64 = 4096;

/// Events published on one bus and received on another, or on the same.
///
/// It ends when the last event was received and its outcome beyond the process is known, and so
/// that of all before it; which must be the one that the row is about.
fn round(from: Bus, to: &Bus, outcome: fn(&Remote) -> bool) -> Round {
    let mut readings = to.subscribe_with::<Reading>(Buffer::block(1024));
    let publisher = async move {
        let mut last = None;
        for number in 0..EVENTS {
            last = Some(from.publish(Reading::new(number)).await.expect("open"));
        }
        if let Some(receipt) = last {
            let remote = receipt.remote().await;
            assert!(outcome(&remote), "{remote}");
        }
    };
    let to = to.clone();
    let subscriber = async move {
        for _ in 0..EVENTS {
            let reading = readings.recv().await.expect("open").expect("no gap");
            black_box(reading.values[0]);
        }
        drop(to);
    };
    Round {
        publishers: vec![Box::pin(publisher)],
        subscribers: vec![Box::pin(subscriber)],
    }
}

fn mirrored<S>(mirror: Mirror<S>) -> Bus
where
    S: Service<Message, Response = Outcome, Error: Into<BoxError>, Future: Send + 'static>
        + Clone
        + Send
        + 'static,
{
    let bus = Bus::builder().mirror(mirror).build();
    bus.expect("a good configuration")
}

/// The same without layers.
fn bare(mirror: Mirror) -> Bus {
    let bus = Bus::builder().mirror(mirror.bare()).build();
    bus.expect("a good configuration")
}

/// A local bus beside one whose mirror can do nothing but say so, for every event.
fn away(criterion: &mut Criterion, runtime: &Runtime, runtime_name: &str) {
    let mut group = load::group(criterion, &format!("{runtime_name}, broker away"));
    group.throughput(Throughput::Elements(EVENTS));
    load::bench(&mut group, "local only", runtime, || {
        let bus = Bus::local();
        let stayed = |remote: &Remote| matches!(remote, Remote::LocalOnly(LocalOnly::NoTransport));
        round(bus.clone(), &bus, stayed)
    });
    let away = |remote: &Remote| matches!(remote, Remote::LocalOnly(LocalOnly::Away(_)));
    load::bench(&mut group, "mirrored", runtime, || {
        let broker = Broker::new();
        broker.stop();
        let mirror = Mirror::new(broker.transport("here")).outbound::<Reading>();
        let bus = bare(mirror);
        round(bus.clone(), &bus, away)
    });
    // As after the first failures, without the time that their retries take.
    load::bench(&mut group, "mirrored, breaker open", runtime, || {
        let broker = Broker::new();
        broker.stop();
        let bus = mirrored(Mirror::new(broker.transport("here")).outbound::<Reading>());
        let stack = bus.mirror_stack().expect("the default layers");
        stack.breaker().force_open();
        round(bus.clone(), &bus, away)
    });
    group.finish();
}

/// From one bus to another: encoded, queued by the broker in memory, confirmed, decoded.
fn across(criterion: &mut Criterion, runtime: &Runtime, runtime_name: &str) {
    let mut group = load::group(criterion, &format!("{runtime_name}, to a second bus"));
    group
        .throughput(Throughput::Elements(EVENTS))
        .measurement_time(Duration::from_secs(3));
    load::bench(&mut group, "memory transport", runtime, || {
        let broker = Broker::new();
        let there = mirrored(Mirror::new(broker.transport("there")).inbound::<Reading>());
        let here = mirrored(Mirror::new(broker.transport("here")).outbound::<Reading>());
        round(here, &there, Remote::is_confirmed)
    });
    load::bench(&mut group, "memory transport, no layers", runtime, || {
        let broker = Broker::new();
        let there = mirrored(Mirror::new(broker.transport("there")).inbound::<Reading>());
        let here = Mirror::new(broker.transport("here")).outbound::<Reading>();
        round(bare(here), &there, Remote::is_confirmed)
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, runtime) in &load::runtimes() {
        away(&mut criterion, runtime, name);
        across(&mut criterion, runtime, name);
    }
    criterion.final_summary();
}
