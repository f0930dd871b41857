//! Many events at a time, from one publisher to one subscriber, in the forms that each offers.

use std::ops::Range;

use algedonic::{Buffer, Bus};
use tokio::sync::mpsc;

use super::Contender;
use crate::{
    case::Case,
    load::{CAPACITY, Reading, Round, ours},
    payload::Apart,
};

/// How many events at a time, at most.
const BATCH: usize = 64;

/// What the peers carry: the bare event.
type Item = Apart<2>;

pub(crate) const OURS: Contender = ("ours", ours);

/// Peers that carry the bare event, by value.
pub(crate) const BARE: [Contender; 3] = [
    ("tokio-mpsc", tokio_mpsc),
    ("flume", flume),
    ("kanal", kanal),
];

fn ours(case: Case) -> Round {
    let bus = Bus::local();
    let publisher = |numbers| {
        let publisher = ours::publisher::<Reading>(&bus);
        async move {
            for batch in batches(numbers) {
                ours::publish_all(&publisher, batch.map(Reading::new)).await;
            }
        }
    };
    case.round(publisher, |mut tally| {
        let mut readings = bus.subscribe_with::<Reading>(Buffer::block(CAPACITY));
        async move {
            while tally.open() {
                ours::receive_many(&mut readings, BATCH, |reading| tally.read(reading)).await;
            }
            tally.check();
        }
    })
}

/// `reserve_many` and `recv_many`.
fn tokio_mpsc(case: Case) -> Round {
    let (sender, receiver) = mpsc::channel::<Item>(CAPACITY);
    let publisher = |numbers| {
        let sender = sender.clone();
        async move {
            for batch in batches(numbers) {
                let permits = sender.reserve_many(BATCH).await.expect("open");
                for (permit, number) in permits.zip(batch) {
                    permit.send(Apart(Reading::new(number)));
                }
            }
        }
    };
    let mut receiver = Some(receiver);
    case.round(publisher, |mut tally| {
        let mut receiver = receiver.take().expect("one subscriber");
        let mut events: Vec<Item> = Vec::with_capacity(BATCH);
        async move {
            while tally.open() {
                receiver.recv_many(&mut events, BATCH).await;
                events.drain(..).for_each(|event| tally.read(&event.0));
            }
            tally.check();
        }
    })
}

/// It has no way to send many; the subscriber waits for one, then drains.
fn flume(case: Case) -> Round {
    let (sender, receiver) = flume::bounded::<Item>(CAPACITY);
    let publisher = |numbers: Range<u64>| {
        let sender = sender.clone();
        async move {
            for number in numbers {
                let sent = sender.send_async(Apart(Reading::new(number))).await;
                sent.expect("open");
            }
        }
    };
    case.round(publisher, |mut tally| {
        let receiver = receiver.clone();
        async move {
            while tally.open() {
                tally.read(&receiver.recv_async().await.expect("open").0);
                receiver.drain().for_each(|event| tally.read(&event.0));
            }
            tally.check();
        }
    })
}

/// As flume.
fn kanal(case: Case) -> Round {
    let (sender, receiver) = kanal::bounded_async::<Item>(CAPACITY);
    let publisher = |numbers: Range<u64>| {
        let sender = sender.clone();
        async move {
            for number in numbers {
                sender
                    .send(Apart(Reading::new(number)))
                    .await
                    .expect("open");
            }
        }
    };
    case.round(publisher, |mut tally| {
        let receiver = receiver.clone();
        let mut events: Vec<Item> = Vec::with_capacity(CAPACITY);
        async move {
            while tally.open() {
                tally.read(&receiver.recv().await.expect("open").0);
                receiver.drain_into(&mut events).expect("open");
                events.drain(..).for_each(|event| tally.read(&event.0));
            }
            tally.check();
        }
    })
}

/// The numbers in runs of [`BATCH`].
fn batches(numbers: Range<u64>) -> impl Iterator<Item = Range<u64>> + Send {
    let end = numbers.end;
    let batch = BATCH as u64;
    numbers
        .step_by(BATCH)
        .map(move |start| start..end.min(start + batch))
}
