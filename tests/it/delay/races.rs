use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use algedonic::{Buffer, Bus, ErrorKind};
use tokio::task::JoinSet;

use super::assert_balanced;
use crate::{events::Tick, patience::until, patience::within};

const EACH: u64 = 4000;

fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// How many of `events` came to light, each at most once.
#[derive(Default)]
struct Seen(Vec<AtomicU64>);

impl Seen {
    fn new(events: u64) -> Arc<Self> {
        Arc::new(Self((0..events).map(|_| AtomicU64::new(0)).collect()))
    }

    fn saw(&self, number: u64) {
        let at = usize::try_from(number).expect("small");
        assert_eq!(
            self.0[at].fetch_add(1, Ordering::SeqCst),
            0,
            "{number} twice"
        );
    }

    fn count(&self) -> usize {
        self.0
            .iter()
            .filter(|seen| seen.load(Ordering::SeqCst) == 1)
            .count()
    }
}

/// Each event is published once or given back once, never both, never neither; room is scarce, so
/// that some are taken back while they wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_is_published_or_given_back() {
    let bus = Bus::local();
    let events = 4 * EACH;
    let seen = Seen::new(events);
    let mut ticks = bus.subscribe_with::<Tick>(Buffer::block(4));
    let reader = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            while let Some(tick) = ticks.recv().await {
                seen.saw(tick.expect("no gap").number);
            }
        }
    });
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let (bus, seen) = (bus.clone(), Arc::clone(&seen));
        tasks.spawn(async move {
            for number in task * EACH..(task + 1) * EACH {
                // Around the moment at which the timer's task has it.
                let delayed = bus.publish_after(us(number % 7 * 200), Tick::new(number));
                let delayed = delayed.expect("open");
                for _ in 0..number % 50 {
                    tokio::task::yield_now().await;
                }
                if number % 40 == 0 {
                    tokio::time::sleep(us(1000)).await;
                }
                match delayed.cancel() {
                    Ok(event) => {
                        assert_eq!(event.number, number);
                        seen.saw(number);
                    }
                    Err(late) => {
                        within("the receipt", late).await.expect("published");
                    }
                }
            }
        });
    }
    while let Some(joined) = within("the tasks", tasks.join_next()).await {
        joined.expect("no panic");
    }
    let counts = bus.counts();
    assert_eq!(counts.delayed_published + counts.delayed_cancelled, events);
    assert!(
        counts.delayed_published > 0 && counts.delayed_cancelled > 0,
        "{counts:?}"
    );
    assert_balanced(&bus);
    bus.shutdown(Duration::from_secs(5)).await;
    reader.await.expect("no panic");
    assert_eq!(seen.count() as u64, events);
}

/// The same where the bus is dropped in the middle: every guard resolves, and says the truth.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bus_dropped_in_the_middle_resolves_every_guard() {
    for round in 0..100 {
        let bus = Bus::local();
        let mut ticks = bus.subscribe_with::<Tick>(Buffer::block(2));
        let reader = tokio::spawn(async move {
            let mut read = 0;
            while ticks.recv().await.is_some() {
                read += 1;
            }
            read
        });
        let guards: Vec<_> = (0..50)
            .map(|number| {
                bus.publish_after(us(number * 100), Tick::new(number))
                    .expect("open")
            })
            .collect();
        tokio::time::sleep(us(round * 50)).await;
        let kept = (round % 2 == 0).then(|| bus.clone());
        if let Some(bus) = &kept {
            bus.shutdown(us(round * 20)).await;
        }
        drop(bus);
        let mut published = 0;
        for guard in guards {
            match within("a guard", guard).await {
                Ok(_) => published += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
            }
        }
        if let Some(bus) = kept {
            let counts = bus.counts();
            assert_eq!(counts.delayed_published + counts.delayed_abandoned, 50);
            assert_balanced(&bus);
        }
        assert_eq!(
            within("the reader", reader).await.expect("no panic"),
            published
        );
    }
    let metrics = tokio::runtime::Handle::current().metrics();
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
}

/// Scheduled from many threads, one after another: the task that ends and the one that begins
/// do not lose anything between them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_one_task_and_the_next() {
    let bus = Bus::local();
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let bus = bus.clone();
        tasks.spawn(async move {
            for number in 0..EACH {
                let delayed = bus
                    .publish_after(Duration::ZERO, Tick::new(number))
                    .expect("open");
                if (number + task) % 3 == 0 {
                    drop(delayed);
                } else {
                    within("the receipt", delayed).await.expect("published");
                }
            }
        });
    }
    while let Some(joined) = within("the tasks", tasks.join_next()).await {
        joined.expect("no panic");
    }
    assert_eq!(
        (bus.counts().delayed, bus.counts().delayed_pending),
        (4 * EACH, 0)
    );
    assert_balanced(&bus);
}
