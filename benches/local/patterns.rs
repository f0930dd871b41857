//! What an event costs while patterns are registered that select it, or do not.
//!
//! A time is for publishing one event and reading it at each pattern that selects it, in one task.

use std::{hint::black_box, time::Instant};

use algedonic::{Buffer, Bus, PatternSubscription};
use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;

use crate::load::{self, Reading, ours};

/// How many there are where there are many.
const MANY: usize = 10_000;

/// Events between two readings.
const TURN: u32 = 64;

/// Patterns that select the event of the benches.
const MATCHING: [&str; 3] = ["bench.reading", "bench.*", "#.reading"];

pub(crate) fn bench(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = load::group(criterion, "patterns");
    group.throughput(Throughput::Elements(1));
    for (name, others, matching) in [
        ("none", 0, 0),
        ("3, of which 3 match", 0, 3),
        ("10,000, of which 0 match", MANY, 0),
        ("10,000, of which 3 match", MANY - 3, 3),
    ] {
        let bus = Bus::local();
        let subscribe = |pattern: &str| {
            let buffer = Buffer::block(TURN as usize);
            bus.subscribe_pattern_with(pattern, buffer)
                .expect("a pattern")
        };
        let _others: Vec<_> = (0..others)
            .map(|number| subscribe(&other(number)))
            .collect();
        let mut matching: Vec<_> = MATCHING[..matching]
            .iter()
            .map(|text| subscribe(text))
            .collect();
        let publisher = ours::publisher::<Reading>(&bus);
        let mut publish = async |events| {
            let mut unread = 0;
            let start = Instant::now();
            for number in 0..events {
                ours::publish(&publisher, Reading::new(number)).await;
                unread += 1;
                if unread == TURN || number == events - 1 {
                    for subscription in &mut matching {
                        read(subscription, unread).await;
                    }
                    unread = 0;
                }
            }
            start.elapsed()
        };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|events| runtime.block_on(publish(events)));
        });
    }
    group.finish();
}

/// A pattern that selects nothing that is published: of several forms, as in an application.
fn other(number: usize) -> String {
    match number % 4 {
        0 => format!("plant.{number}.temperature"),
        1 => format!("plant.{number}.*"),
        2 => format!("plant.{number}.#"),
        _ => format!("*.{number}.temperature"),
    }
}

/// Reads what there must be.
async fn read(subscription: &mut PatternSubscription, events: u32) {
    for _ in 0..events {
        let next = subscription.recv().await;
        let event = next.expect("open").expect("no gap");
        let reading = event.downcast::<Reading>().expect("a reading");
        black_box(reading.read());
    }
}
