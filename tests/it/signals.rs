use algedonic::{Buffer, Bus, Feeling, Level, Priority, Signal};
use futures_util::FutureExt;

use crate::events::Tick;

fn pain(level: Level) -> Signal {
    Signal::pain(level, "response_time")
        .measured(5000.0, 1000.0)
        .message("response time critically high")
}

/// Requirements 0.09 and 0.10.
#[tokio::test]
async fn everyone_feels_it_with_all_its_fields() {
    let bus = Bus::builder().source("s1").build().expect("no mirror");
    let mut subsystems: Vec<_> = (0..5).map(|_| bus.signals()).collect();
    let receipt = bus.signal(pain(Level::Critical)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 5);
    for signals in &mut subsystems {
        let signal = signals.recv().await.expect("open").expect("no gap");
        assert_eq!(
            (signal.feeling, signal.level),
            (Feeling::Pain, Level::Critical)
        );
        assert_eq!(signal.source, "s1", "the bus fills in who feels it");
        assert_eq!(
            (signal.value, signal.threshold),
            (Some(5000.0), Some(1000.0))
        );
        assert_eq!(signal.metadata().priority, Priority::MAX);
        assert_eq!(*signal.key(), "algedonic.pain.critical");
    }
    assert_eq!(bus.counts().signals, 1);
}

#[tokio::test]
async fn the_levels_have_the_priorities_10_8_5_2() {
    let priorities = [Level::Critical, Level::High, Level::Medium, Level::Low]
        .map(|level| level.priority().get());
    assert_eq!(priorities, [10, 8, 5, 2]);
    assert!(Priority::NORMAL < Level::Low.priority());
}

#[tokio::test]
async fn a_subscriber_chooses_from_which_level() {
    let bus = Bus::local();
    let mut high = bus.signals_from(Level::High);
    for level in [Level::Low, Level::Medium, Level::High, Level::Critical] {
        bus.signal(pain(level)).await.expect("open");
    }
    assert_eq!(high.unread(), 2);
    assert_eq!(
        high.recv().await.expect("open").expect("no gap").level,
        Level::High
    );
}

#[tokio::test]
async fn a_pattern_gets_signals_before_the_events_that_were_there_first() {
    let bus = Bus::local();
    let mut critical = bus.subscribe_pattern("#.critical").expect("a pattern");
    let mut all = bus.subscribe_pattern("#").expect("a pattern");
    bus.publish(Tick::new(1)).await.expect("open");
    bus.signal(pain(Level::Low)).await.expect("open");
    bus.signal(pain(Level::Critical)).await.expect("open");

    let signal = critical.recv().await.expect("open").expect("no gap");
    assert_eq!(
        signal.downcast::<Signal>().expect("a signal").level,
        Level::Critical
    );
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(
            all.recv()
                .await
                .expect("open")
                .expect("no gap")
                .key()
                .to_string(),
        );
    }
    assert_eq!(
        keys,
        ["algedonic.pain.low", "algedonic.pain.critical", "test.tick"]
    );
}

#[tokio::test]
async fn events_can_neither_fill_nor_hold_the_way_of_a_signal() {
    let bus = Bus::local();
    let _full = bus.subscribe_with::<Tick>(Buffer::block(1));
    let mut pattern = bus
        .subscribe_pattern_with("#", Buffer::block(1))
        .expect("a pattern");
    bus.publish(Tick::new(0)).await.expect("open");
    assert!(
        bus.publish(Tick::new(1)).now_or_never().is_none(),
        "events are held"
    );
    let mut signals = bus.signals();
    for _ in 0..100 {
        let signal = bus.signal(pain(Level::Critical)).now_or_never();
        signal.expect("signals are not").expect("open");
    }
    assert_eq!(signals.unread(), 100);
    assert_eq!(
        signals.recv().await.expect("open").expect("no gap").level,
        Level::Critical
    );
    let first = pattern.recv().await.expect("open").expect("no gap");
    assert_eq!(*first.key(), "algedonic.pain.critical");
}
