//! Publish to receive inside of one process, against the channels one would use instead.
//!
//! Every row does the same work for an event: it makes the full metadata (id, time, source, key,
//! correlation), puts it with 64 bytes into one `Arc`, and hands a clone to every subscriber, which
//! reads it. Nothing is lost: whoever is full makes its publisher wait, except for tokio's broadcast,
//! which cannot, and gets a buffer for the whole round.

mod load;

use std::{hint::black_box, sync::Arc, time::Instant};

use algedonic::{Buffer, Bus, BusId, Event, EventId, Key, Metadata};
use criterion::{Criterion, Throughput};
use tokio::{
    runtime::Runtime,
    sync::{broadcast, mpsc},
};

use self::load::{Reading, Round, Work};

/// How many unread events a subscriber holds before its publisher waits.
const CAPACITY: usize = 1024;

/// How many publish, to how many subscribers.
#[derive(Clone, Copy)]
struct Rung {
    publishers: usize,
    subscribers: usize,
}

const LADDER: [Rung; 4] = [
    Rung::new(1, 1),
    Rung::new(1, 4),
    Rung::new(4, 4),
    Rung::new(1, 64),
];

impl Rung {
    const fn new(publishers: usize, subscribers: usize) -> Self {
        Self {
            publishers,
            subscribers,
        }
    }

    /// Events in one round, of all publishers together; several times the capacity.
    fn events(self) -> usize {
        if self.subscribers > 4 { 2048 } else { 8192 }
    }

    fn share(self) -> usize {
        self.events() / self.publishers
    }

    /// A round of this rung.
    fn round<P, S>(
        self,
        publisher: impl Fn(usize) -> P,
        mut subscriber: impl FnMut(usize) -> S,
    ) -> Round
    where
        P: Future<Output = ()> + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        // First who receives: what is published before is not theirs.
        let subscribers = (0..self.subscribers)
            .map(|_| Box::pin(subscriber(self.events())) as Work)
            .collect();
        let publishers = (0..self.publishers)
            .map(|_| Box::pin(publisher(self.share())) as Work)
            .collect();
        Round {
            publishers,
            subscribers,
        }
    }
}

/// The bus, by its public interface. Beyond the common work it keeps books, and makes a receipt.
fn algedonic(rung: Rung) -> Round {
    let bus = Bus::local();
    let publisher = |events| {
        let bus = bus.clone();
        async move {
            for number in 0..events {
                let receipt = bus.publish(Reading::new(number as u64)).await;
                black_box(receipt.expect("open"));
            }
        }
    };
    rung.round(publisher, |events| {
        let mut readings = bus.subscribe_with::<Reading>(Buffer::block(CAPACITY));
        async move {
            for _ in 0..events {
                let reading = readings.recv().await.expect("open").expect("no gap");
                black_box(reading.values[0]);
            }
        }
    })
}

/// What a peer sends: an event as the bus makes it.
struct Sealed {
    metadata: Metadata,
    reading: Reading,
}

/// Makes events as the bus does.
#[derive(Clone)]
struct Maker {
    source: Arc<str>,
    origin: BusId,
}

impl Maker {
    fn new() -> Self {
        Self {
            source: "local".into(),
            origin: BusId::new(),
        }
    }

    fn make(&self, number: usize) -> Arc<Sealed> {
        let name = const { Key::from_static(Reading::NAME) };
        let mut metadata = Metadata::new(name, Arc::clone(&self.source));
        metadata.origin = Some(self.origin);
        Arc::new(Sealed {
            metadata,
            reading: Reading::new(number as u64),
        })
    }
}

fn read(event: &Sealed) {
    black_box((event.reading.values[0], event.metadata.expires));
}

/// One ring for all. It overwrites what is unread, so it is as large as the round, and its
/// publishers give way after every [`CAPACITY`] events, as the others do when they are full.
fn tokio_broadcast(rung: Rung) -> Round {
    let (sender, _) = broadcast::channel(rung.events());
    let maker = Maker::new();
    let turn = CAPACITY / rung.publishers;
    let publisher = |events| {
        let (sender, maker) = (sender.clone(), maker.clone());
        async move {
            for number in 0..events {
                assert!(sender.send(maker.make(number)).is_ok(), "subscribers");
                if number % turn == turn - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    rung.round(publisher, |events| {
        let mut receiver = sender.subscribe();
        async move {
            for _ in 0..events {
                read(&receiver.recv().await.expect("nothing is overwritten"));
            }
        }
    })
}

/// One queue for all, which waits for the slowest.
fn async_broadcast(rung: Rung) -> Round {
    let (sender, receiver) = async_broadcast::broadcast(CAPACITY);
    let maker = Maker::new();
    let publisher = |events| {
        let (sender, maker) = (sender.clone(), maker.clone());
        async move {
            for number in 0..events {
                let sent = sender.broadcast_direct(maker.make(number)).await;
                assert!(sent.is_ok_and(|overwritten| overwritten.is_none()));
            }
        }
    };
    let round = rung.round(publisher, |events| {
        let mut receiver = receiver.new_receiver();
        async move {
            for _ in 0..events {
                read(&receiver.recv_direct().await.expect("open"));
            }
        }
    });
    drop(receiver);
    round
}

/// A channel for each subscriber; the publisher goes from one to the next.
fn tokio_mpsc(rung: Rung) -> Round {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..rung.subscribers)
        .map(|_| mpsc::channel(CAPACITY))
        .unzip();
    let maker = Maker::new();
    let publisher = |events| {
        let (senders, maker) = (senders.clone(), maker.clone());
        async move {
            for number in 0..events {
                let event = maker.make(number);
                for sender in &senders {
                    assert!(sender.send(Arc::clone(&event)).await.is_ok(), "open");
                }
            }
        }
    };
    let mut receivers = receivers.into_iter();
    rung.round(publisher, |events| {
        let mut receiver = receivers.next().expect("one for each subscriber");
        async move {
            for _ in 0..events {
                read(&receiver.recv().await.expect("open"));
            }
        }
    })
}

fn deliver(criterion: &mut Criterion, runtime: &Runtime, runtime_name: &str) {
    type Contender = fn(Rung) -> Round;
    const CONTENDERS: [(&str, Contender); 4] = [
        ("algedonic", algedonic),
        ("tokio broadcast", tokio_broadcast),
        ("async-broadcast", async_broadcast),
        ("tokio mpsc", tokio_mpsc),
    ];

    for rung in LADDER {
        let name = format!(
            "{runtime_name}, {} to {}",
            rung.publishers, rung.subscribers
        );
        let mut group = load::group(criterion, &name);
        group.throughput(Throughput::Elements(rung.events() as u64));
        for (name, contender) in CONTENDERS {
            load::bench(&mut group, name, runtime, || contender(rung));
        }
        group.finish();
    }
}

/// What an event costs that nobody receives, beside what making it costs.
fn nobody(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = load::group(criterion, "nobody receives");
    group.throughput(Throughput::Elements(1));
    let bus = Bus::local();
    group.bench_function("algedonic", |bencher| {
        bencher.iter_custom(|events| {
            // Entering the runtime is no part of it.
            runtime.block_on(async {
                let start = Instant::now();
                for number in 0..events {
                    black_box(bus.publish(Reading::new(number)).await.expect("open"));
                }
                start.elapsed()
            })
        });
    });
    let maker = Maker::new();
    group.bench_function("an event id alone", |bencher| bencher.iter(EventId::new));
    group.bench_function("metadata and Arc alone", |bencher| {
        bencher.iter(|| maker.make(1));
    });
    let (sender, _) = broadcast::channel(CAPACITY);
    group.bench_function("tokio broadcast", |bencher| {
        bencher.iter(|| sender.send(maker.make(1)).is_err());
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, runtime) in &load::runtimes() {
        deliver(&mut criterion, runtime, name);
    }
    let [(_, runtime), _] = load::runtimes();
    nobody(&mut criterion, &runtime);
    criterion.final_summary();
}
