use std::time::Duration;

use algedonic_transport::{ErrorKind, Lane};
use futures_util::future::join_all;

use super::{
    balances,
    disk::{Fault, Memory},
    message,
    thread::{LONG, config, on, until},
};
use crate::spool::file::{Notice, Spool};

/// Of as many of these as are asked for, the room of a lane takes half.
const LARGE: usize = 256 * 1024;
const FLOOD: u64 = 64;

#[tokio::test]
async fn a_signal_is_behind_none_of_a_flood_of_events() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    memory.fault(Fault::SyncHangs);
    let events = (1..=FLOOD).map(|number| spool.append(message(Lane::Event, 0, number, LARGE)));
    let events = tokio::spawn(join_all(events.collect::<Vec<_>>()));
    until(|| memory.hangs()).await;
    let signal = spool.append(message(Lane::Signal, 10, FLOOD + 1, 500));
    memory.fault(Fault::None);
    let place = signal.await.expect("stored");
    // Behind what was being written when it came.
    assert!(place <= 5, "{place}");
    for (number, stored) in events.await.expect("no panic").into_iter().enumerate() {
        let expected = number as u64 + 1;
        let stored = stored.expect("stored");
        assert_eq!(stored, expected + u64::from(expected >= place));
    }
    balances(&spool.status());
}

#[tokio::test]
async fn an_event_that_finds_no_room_takes_no_signal_along() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    memory.fault(Fault::SyncHangs);
    let first = spool.append(message(Lane::Signal, 10, 1, 10));
    until(|| memory.hangs()).await;
    // These wait for the same turn.
    let large = || message(Lane::Event, 0, 2, 6 << 20);
    let event = spool.append(large());
    let signal = spool.append(message(Lane::Signal, 10, 3, 500));
    memory.fault(Fault::NoLonger);
    first.await.expect("stored");
    signal.await.expect("there is room for it");
    let error = event.await.expect_err("there is none for it");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    // The disk is left alone for a while now; not by signals.
    let signal = spool.append(message(Lane::Signal, 10, 4, 500));
    signal.await.expect("there is room for it");
    assert!(matches!(spool.notice().await, Some(Notice::Broken(_))));
    memory.fault(Fault::None);
    let works = async {
        while spool.append(large()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, works).await.expect("in time");
    assert!(matches!(spool.notice().await, Some(Notice::Mended)));
    let signals = spool.read(Lane::Signal, 0, 10).await.expect("readable");
    let numbers: Vec<u64> = signals.iter().map(super::number_of).collect();
    assert_eq!(numbers, [1, 3, 4]);
    balances(&spool.status());
}

/// It is told as broken until what found no room finds some, whatever signals do meanwhile.
#[tokio::test]
async fn a_signal_that_fits_does_not_say_that_the_disk_works() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    memory.fault(Fault::NoLonger);
    let event = spool.append(message(Lane::Event, 0, 1, 6 << 20)).await;
    event.expect_err("no room");
    assert!(spool.status().error.is_some());
    let paused = std::time::Instant::now();
    let signal = spool.append(message(Lane::Signal, 10, 2, 500)).await;
    signal.expect("there is room for it");
    let works = spool.status().error.is_none();
    assert!(!works || paused.elapsed() > Duration::from_millis(900));
}
