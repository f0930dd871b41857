use std::time::Duration;

use algedonic::{Buffer, Bus};
use futures_util::FutureExt;
use tokio::{runtime::Runtime, task::yield_now};

use crate::{
    Case,
    events::{Keyed, Load, publish},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        keys(),
        handlers(false),
        handlers(true),
        groups(),
        buses(),
        publishers_of_an_unheard_type(),
    ]
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

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime")
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
