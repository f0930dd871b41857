use std::time::Duration;

use algedonic::{Buffer, Bus, Event, Key, KeyError, Lag, Level};
use futures_util::FutureExt;
use tokio::{runtime::Runtime, task::yield_now};

use crate::Case;

const POLICIES: [Lag; 4] = [Lag::Block, Lag::DropOldest, Lag::DropNewest, Lag::Error];

/// 64 bytes, and something on the heap.
struct Load {
    _bytes: [u64; 5],
    _heap: Box<[u8]>,
}

impl Event for Load {
    const NAME: &'static str = "memory.load";
}

impl Load {
    fn new() -> Self {
        Self {
            _bytes: [0; 5],
            _heap: vec![0; 100].into_boxed_slice(),
        }
    }
}

/// With a key of its own.
struct Keyed(u64);

impl Event for Keyed {
    const NAME: &'static str = "memory.keyed";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("memory.keyed.{}", self.0))
    }
}

/// Kept for those who come late.
struct Kept(#[expect(dead_code, reason = "something on the heap")] Box<u64>);

impl Event for Kept {
    const NAME: &'static str = "memory.kept";
    const RETAINED: usize = 5;
}

/// Publishes, if nobody is full.
fn publish<E: Event>(bus: &Bus, event: E) -> bool {
    let outcome = bus.publish(event).now_or_never();
    matches!(outcome, Some(Ok(_)))
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for lag in POLICIES {
        cases.extend([
            subscriptions(lag, false),
            subscriptions(lag, true),
            patterns(lag),
            different_patterns(lag),
            publishes_that_wait(lag),
            recvs_that_wait(lag),
        ]);
    }
    cases.extend([
        keys(),
        retained(),
        signals(),
        handlers(false),
        handlers(true),
        groups(),
        buses(),
        publishers_of_an_unheard_type(),
    ]);
    cases
}

/// Subscribes, gets events, reads some, leaves. Beside it there may be others, who stay: one that reads all
/// and one that reads nothing.
fn subscriptions(lag: Lag, others: bool) -> Case {
    let bus = Bus::local();
    let mut reads = others.then(|| bus.subscribe_with::<Load>(Buffer::block(64)));
    let sleeps = others.then(|| bus.subscribe_with::<Load>(Buffer::drop_oldest(100)));
    Case::new(
        format!("{lag:?} subscriptions, others {others}"),
        move |cycle| {
            let _ = &sleeps;
            let mut subscription = bus.subscribe_with::<Load>(Buffer::new(lag, 4));
            for _ in 0..cycle % 7 {
                publish(&bus, Load::new());
            }
            let _ = subscription.recv().now_or_never();
            let _ = subscription.recv_many(2).now_or_never();
            drop(subscription);
            publish(&bus, Load::new());
            if let Some(reads) = &mut reads {
                while reads.recv().now_or_never().is_some() {}
            }
        },
    )
}

fn patterns(lag: Lag) -> Case {
    let bus = Bus::local();
    Case::new(format!("{lag:?} patterns"), move |cycle| {
        let subscription = bus.subscribe_pattern_with("memory.*", Buffer::new(lag, 4));
        let mut subscription = subscription.expect("a pattern");
        for _ in 0..cycle % 7 {
            publish(&bus, Load::new());
        }
        let _ = subscription.recv().now_or_never();
        drop(subscription);
        publish(&bus, Load::new());
    })
}

/// Each pattern another, of several shapes, beside one that stays.
fn different_patterns(lag: Lag) -> Case {
    let bus = Bus::local();
    let stays = bus.subscribe_pattern_with("memory.keyed.#", Buffer::drop_oldest(8));
    Case::new(format!("different {lag:?} patterns"), move |cycle| {
        let _ = &stays;
        let pattern = match cycle % 4 {
            0 => format!("memory.keyed.{cycle}"),
            1 => format!("*.*.{cycle}"),
            2 => format!("#.{cycle}"),
            _ => format!("memory.{cycle}.#.{cycle}.*"),
        };
        let subscription = bus.subscribe_pattern_with(&pattern, Buffer::new(lag, 4));
        let mut subscription = subscription.expect("a pattern");
        for _ in 0..cycle % 3 {
            publish(&bus, Keyed(cycle));
        }
        let _ = subscription.recv().now_or_never();
        drop(subscription);
        publish(&bus, Keyed(cycle + 1));
    })
}

/// Publishes that are dropped while they wait, or are refused.
fn publishes_that_wait(lag: Lag) -> Case {
    let bus = Bus::local();
    let pattern = bus.subscribe_pattern_with("#", Buffer::new(lag, 1));
    let typed = bus.subscribe_with::<Load>(Buffer::new(lag, 1));
    publish(&bus, Load::new());
    let waits = matches!(lag, Lag::Block | Lag::Error);
    Case::new(format!("publishes at a full {lag:?}"), move |_| {
        let _ = (&pattern, &typed);
        let several: Vec<_> = (0..3)
            .map(|_| {
                let mut publish = Box::pin(bus.publish(Load::new()));
                let outcome = publish.as_mut().now_or_never();
                assert_eq!(matches!(outcome, Some(Ok(_))), !waits);
                publish
            })
            .collect();
        drop(several);
    })
}

/// Receives that are dropped while they wait.
fn recvs_that_wait(lag: Lag) -> Case {
    let bus = Bus::local();
    let mut typed = bus.subscribe_with::<Load>(Buffer::new(lag, 4));
    let pattern = bus.subscribe_pattern_with("#", Buffer::new(lag, 4));
    let mut pattern = pattern.expect("a pattern");
    Case::new(format!("recvs of an empty {lag:?}"), move |cycle| {
        assert!(typed.recv().now_or_never().is_none());
        assert!(typed.recv_many(3).now_or_never().is_none());
        assert!(pattern.recv().now_or_never().is_none());
        if cycle % 3 == 0 {
            assert!(publish(&bus, Load::new()));
            assert!(typed.recv().now_or_never().is_some());
            assert!(pattern.recv().now_or_never().is_some());
        }
    })
}

/// Keys that are published to a pattern: the bus remembers some thousands of them, then forgets all.
fn keys() -> Case {
    let bus = Bus::local();
    let stays = bus.subscribe_pattern_with("memory.keyed.12.#", Buffer::drop_oldest(8));
    Case {
        // As many after a multiple of what it remembers.
        warm: 10_000,
        end: 10_000 + 8 * 4_096,
        ..Case::new("keys of events", move |cycle| {
            let _ = &stays;
            assert!(publish(&bus, Keyed(cycle + 100_000)));
        })
    }
}

fn retained() -> Case {
    let bus = Bus::local();
    Case::new("retained events", move |cycle| {
        assert!(publish(&bus, Kept(Box::new(cycle))));
        let mut late = bus.subscribe_retained::<Kept>(Buffer::block(2));
        assert!(late.recv().now_or_never().is_some());
    })
}

fn signals() -> Case {
    let bus = Bus::local();
    Case::new("subscriptions of signals", move |cycle| {
        let mut signals = bus.signals_from(Level::High);
        let signal = algedonic::Signal::pain(Level::Critical, "heat");
        assert!(bus.signal(signal).now_or_never().is_some());
        if cycle % 2 == 0 {
            assert!(signals.recv().now_or_never().is_some());
        }
    })
}

/// A handler that is dropped with something in hand and something in its buffer, or drained.
fn handlers(drain: bool) -> Case {
    let (runtime, bus) = (runtime(), Bus::local());
    Case::new(format!("handlers, drained {drain}"), move |_| {
        runtime.block_on(async {
            let handler = bus.on::<Load>().handle(|_| async {
                yield_now().await;
                Ok::<_, std::io::Error>(())
            });
            for _ in 0..3 {
                assert!(publish(&bus, Load::new()));
            }
            yield_now().await;
            if drain {
                handler.drain_within(Duration::from_secs(5)).await;
            } else {
                drop(handler);
            }
            yield_now().await;
            publish(&bus, Load::new());
        });
    })
}

/// Groups, each with another name and two members.
fn groups() -> Case {
    let (runtime, bus) = (runtime(), Bus::local());
    Case::new("groups of handlers", move |cycle| {
        runtime.block_on(async {
            let member = || {
                let handler = bus.on::<Load>().group(format!("group {cycle}"));
                handler
                    .keyed(|_| 1)
                    .handle(|_| async { Err(std::io::Error::other("planted")) })
            };
            let members = (member(), member());
            for _ in 0..3 {
                assert!(publish(&bus, Load::new()));
            }
            yield_now().await;
            drop(members);
            yield_now().await;
            // Its dead letters stay, as many as the store holds: not what is measured.
            for letter in bus.dead_letters().list() {
                bus.dead_letters().remove(letter.id);
            }
        });
    })
}

fn buses() -> Case {
    Case::new("buses", |cycle| {
        let bus = Bus::local();
        let mut typed = bus.subscribe::<Load>();
        let pattern = bus.subscribe_pattern("#").expect("a pattern");
        let publisher = bus.publisher::<Load>();
        assert!(publisher.try_publish(Load::new()).is_ok());
        if cycle % 2 == 0 {
            drop(bus);
            drop(publisher);
            assert!(typed.recv().now_or_never().is_some());
        }
        drop(pattern);
    })
}

fn publishers_of_an_unheard_type() -> Case {
    let bus = Bus::local();
    Case::new("events that nobody hears", move |_| {
        let publisher = bus.publisher::<Load>();
        assert!(publisher.clone().try_publish(Load::new()).is_ok());
    })
}
