use std::{future::poll_fn, task::Poll, time::Duration};

use algedonic_transport::{ErrorKind, Lane};
use futures_util::{FutureExt, future::join_all};

use super::{
    balances,
    disk::{Fault, Memory},
    message,
};
use crate::spool::file::{FileSpool, LossCause, Notice, Spool, SpoolConfig};

pub(super) const LONG: Duration = Duration::from_secs(30);

pub(super) async fn on(memory: &Memory, config: SpoolConfig) -> FileSpool {
    let memory = memory.clone();
    FileSpool::start(config, move || Ok(memory))
        .await
        .expect("opens")
}

pub(super) fn config() -> SpoolConfig {
    SpoolConfig::new("in memory").timeout(LONG)
}

async fn sequences(spool: &FileSpool, lane: Lane) -> Vec<u64> {
    let records = spool.read(lane, 0, 10_000).await.expect("readable");
    records.iter().map(|record| record.sequence).collect()
}

/// Until it is so.
pub(super) async fn until(so: impl Fn() -> bool) {
    let so = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, so).await.expect("in time");
}

#[tokio::test]
async fn appends_that_wait_share_a_write() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    memory.fault(Fault::SyncHangs);
    let appends: Vec<_> = (1..=200)
        .map(|number| spool.append(message(Lane::Event, 0, number, 10)))
        .collect();
    let before = memory.syncs();
    memory.fault(Fault::None);
    for (place, stored) in join_all(appends).await.into_iter().enumerate() {
        // In the order of the calls.
        assert_eq!(stored.expect("stored"), place as u64 + 1);
    }
    let syncs = memory.syncs() - before;
    assert!(syncs <= 4, "{syncs} syncs for 200 appends");
}

#[tokio::test]
async fn more_than_a_group_waits_for_its_turn() {
    let memory = Memory::default();
    let spool = on(&memory, config().group(2)).await;
    let appends = (1..=20).map(|number| spool.append(message(Lane::Event, 0, number, 10)));
    let stored = join_all(appends).await;
    assert!(stored.iter().all(Result::is_ok));
    assert_eq!(
        sequences(&spool, Lane::Event).await,
        (1..=20).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_disk_that_hangs_makes_an_append_late_and_nothing_else() {
    let memory = Memory::default();
    let spool = on(&memory, config().timeout(Duration::from_millis(20))).await;
    memory.fault(Fault::SyncHangs);
    let error = spool
        .append(message(Lane::Signal, 10, 1, 10))
        .await
        .expect_err("late");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.is_transient());
    spool.remove(&[7]);
    assert_eq!(spool.status().appended, 0);
    let error = spool
        .close(Duration::from_millis(20))
        .await
        .expect_err("late");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    // It may be stored all the same.
    memory.fault(Fault::None);
    spool.close(LONG).await.expect("closed");
    assert_eq!(spool.status().appended, 1);
}

#[tokio::test]
async fn an_append_that_is_dropped_before_its_turn_stores_nothing() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    memory.fault(Fault::SyncHangs);
    let first = spool.append(message(Lane::Event, 0, 1, 10));
    until(|| memory.hangs()).await;
    let mut dropped = Vec::new();
    for number in 2..=10 {
        let mut append = spool.append(message(Lane::Event, 0, number, 10));
        if number % 2 == 0 {
            let pending = poll_fn(|cx| Poll::Ready(append.poll_unpin(cx).is_pending())).await;
            assert!(pending);
        }
        dropped.push(append);
    }
    let last = spool.append(message(Lane::Event, 0, 11, 10));
    drop(dropped);
    memory.fault(Fault::None);
    first.await.expect("stored");
    last.await.expect("stored");
    assert_eq!(sequences(&spool, Lane::Event).await, [1, 2]);
    balances(&spool.status());
}

#[tokio::test]
async fn a_broken_disk_is_told_and_so_is_its_end() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    let append = |number| spool.append(message(Lane::Signal, 10, number, 10));
    append(1).await.expect("stored");
    memory.fault(Fault::BrokenAfter(1));
    let error = append(2).await.expect_err("broken");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(matches!(spool.notice().await, Some(Notice::Broken(_))));
    assert!(spool.status().error.is_some());
    // It is left alone for a while, and says so at once.
    assert!(append(3).await.is_err());
    memory.fault(Fault::None);
    let works = async {
        while append(4).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, works).await.expect("in time");
    assert!(matches!(spool.notice().await, Some(Notice::Mended)));
    assert!(spool.status().error.is_none());
    let records = spool.read(Lane::Signal, 0, 10).await.expect("readable");
    let numbers: Vec<u64> = records.iter().map(super::number_of).collect();
    assert_eq!(numbers, [1, 4]);
    balances(&spool.status());
}

#[tokio::test]
async fn a_removal_reaches_the_disk_soon_and_at_the_end() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    for number in 1..=3 {
        spool
            .append(message(Lane::Event, 0, number, 10))
            .await
            .expect("stored");
    }
    let before = memory.syncs();
    spool.remove(&[1]);
    assert_eq!(sequences(&spool, Lane::Event).await, [2, 3]);
    until(|| memory.syncs() > before).await;
    spool.remove(&[2, 2, 99]);
    spool.close(LONG).await.expect("closed");
    assert_eq!(spool.status().removed, 2);
    let again = on(&memory, config()).await;
    assert_eq!(sequences(&again, Lane::Event).await, [3]);
    // The order goes on, and does not begin anew.
    again.remove(&[3]);
    again.close(LONG).await.expect("closed");
    let last = on(&memory, config()).await;
    assert_eq!(
        last.append(message(Lane::Event, 0, 4, 10))
            .await
            .expect("stored"),
        4
    );
}

#[tokio::test]
async fn a_closed_spool_refuses_and_tells_the_rest() {
    let memory = Memory::default();
    let spool = on(&memory, config().max_bytes(4_096)).await;
    assert_eq!(spool.status().lane(Lane::Event).bound, 4_096);
    for number in 1..=3 {
        spool
            .append(message(Lane::Event, 0, number, 1_600))
            .await
            .expect("stored");
    }
    spool.close(LONG).await.expect("closed");
    spool.close(LONG).await.expect("closed");
    let append = spool.append(message(Lane::Event, 0, 4, 10)).await;
    assert_eq!(append.expect_err("closed").kind(), ErrorKind::Closed);
    let read = spool.read(Lane::Event, 0, 1).await;
    assert_eq!(read.expect_err("closed").kind(), ErrorKind::Closed);
    let Some(Notice::Lost(lost)) = spool.notice().await else {
        panic!("one was dropped");
    };
    assert_eq!((lost.sequence, lost.cause), (1, LossCause::Full));
    assert!(spool.notice().await.is_none());
}

#[tokio::test]
async fn a_notice_is_not_lost_with_the_future_that_waited_for_it() {
    let memory = Memory::default();
    let spool = on(&memory, config().max_bytes(4_096)).await;
    let mut waiting = spool.notice();
    assert!(poll_fn(|cx| Poll::Ready(waiting.poll_unpin(cx).is_pending())).await);
    for number in 1..=3 {
        spool
            .append(message(Lane::Event, 0, number, 1_600))
            .await
            .expect("stored");
    }
    drop(waiting);
    assert!(matches!(spool.notice().await, Some(Notice::Lost(_))));
}

#[tokio::test]
async fn damage_that_is_met_by_a_read_is_put_aside_at_once() {
    let memory = Memory::default();
    let spool = on(&memory, config()).await;
    let body = 300_000;
    for number in 1..=80 {
        spool
            .append(message(Lane::Event, 0, number, body))
            .await
            .expect("stored");
    }
    // Larger than what the database keeps in memory.
    memory.edit(|bytes| {
        let start = bytes.len() / 10;
        bytes[start..start + 400_000].fill(0);
    });
    let mut after = 0;
    let error = loop {
        match spool.read(Lane::Event, after, 10).await {
            Ok(records) => after = records.last().expect("not yet at the end").sequence,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(!error.is_transient());
    let Some(Notice::Damaged(damage)) = spool.notice().await else {
        panic!("damage");
    };
    let there = sequences_of_all(&spool).await;
    assert_eq!(there.len() as u64, damage.salvaged);
    assert_eq!(damage.missing, Some(80 - damage.salvaged));
    assert!((77..80).contains(&damage.salvaged), "{damage:?}");
    balances(&spool.status());
}

async fn sequences_of_all(spool: &FileSpool) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        let after = all.last().copied().unwrap_or_default();
        let records = spool
            .read(Lane::Event, after, 1_000)
            .await
            .expect("readable");
        if records.is_empty() {
            return all;
        }
        all.extend(records.iter().map(|record| record.sequence));
    }
}
