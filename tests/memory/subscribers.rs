use algedonic::{Buffer, Bus, Lag, Level};
use futures_util::FutureExt;

use crate::{
    Case,
    events::{Kept, Keyed, Load, publish},
};

const POLICIES: [Lag; 4] = [Lag::Block, Lag::DropOldest, Lag::DropNewest, Lag::Error];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![retained(), signals()];
    for lag in POLICIES {
        cases.extend([
            subscriptions(lag, false),
            subscriptions(lag, true),
            patterns(lag),
            different_patterns(lag),
            publishes_that_wait(lag, false),
            publishes_that_wait(lag, true),
            recvs_that_wait(lag),
        ]);
    }
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
fn publishes_that_wait(lag: Lag, pattern: bool) -> Case {
    let bus = Bus::local();
    let by_pattern = pattern.then(|| bus.subscribe_pattern_with("#", Buffer::new(lag, 1)));
    let typed = (!pattern).then(|| bus.subscribe_with::<Load>(Buffer::new(lag, 1)));
    publish(&bus, Load::new());
    let waits = matches!(lag, Lag::Block | Lag::Error);
    Case::new(
        format!("publishes at a full {lag:?}, pattern {pattern}"),
        move |_| {
            let _ = (&by_pattern, &typed);
            let several: Vec<_> = (0..3)
                .map(|_| {
                    let mut publish = Box::pin(bus.publish(Load::new()));
                    let outcome = publish.as_mut().now_or_never();
                    assert_eq!(matches!(outcome, Some(Ok(_))), !waits);
                    publish
                })
                .collect();
            drop(several);
        },
    )
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

fn retained() -> Case {
    let bus = Bus::local();
    Case::new("retained events", move |cycle| {
        assert!(publish(&bus, Kept(Box::new(cycle))));
        let mut late = bus.subscribe_retained::<Kept>(Buffer::block(2));
        let first = late.recv().now_or_never().expect("retained");
        let first = first.expect("open").expect("no gap");
        assert_eq!(*first.0, cycle.saturating_sub(4));
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
