use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use algedonic::{
    Bus, LinkState, LocalOnly, Mirror, Receipt, Remote,
    memory::Broker,
    resilience::breaker::{BreakerConfig, OnCancel},
};
use futures_util::{FutureExt, future::join_all};
use tokio::runtime::{Builder, Runtime};

use super::{receiver, sender, told};
use crate::{
    events::Tick,
    mirror::link_is,
    patience::{until, within},
};

const EVENTS: u64 = 2_000;

/// Published while no confirm comes: some are with the transport, the others wait.
async fn publish_all(bus: &Bus) -> Vec<Receipt> {
    let publishes = (0..EVENTS).map(|number| bus.publish(Tick::new(number)));
    let receipts = join_all(publishes).await;
    receipts
        .into_iter()
        .map(|receipt| receipt.expect("open"))
        .collect()
}

/// All outcomes: those that were handed over are unknown, the others stayed.
async fn assert_ended(receipts: Vec<Receipt>, in_flight: usize) {
    let remotes = receipts.into_iter().map(Receipt::remote);
    let remotes = within("all outcomes", join_all(remotes)).await;
    let unknown = remotes
        .iter()
        .filter(|remote| matches!(remote, Remote::Unknown { .. }));
    assert_eq!(unknown.count(), in_flight);
    let stayed = |remote: &&Remote| matches!(remote, Remote::LocalOnly(LocalOnly::ShutDown));
    let stayed = remotes.iter().filter(stayed).count() as u64;
    assert_eq!(stayed, EVENTS - in_flight as u64);
}

async fn window_is_full(bus: &Bus) -> usize {
    until("the window to be full", || {
        bus.health()
            .mirror
            .is_some_and(|mirror| mirror.in_flight == 512)
    })
    .await;
    512
}

#[tokio::test]
async fn every_receipt_resolves_when_the_bus_is_dropped() {
    let broker = Broker::new();
    let (here, _there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipts = publish_all(&here).await;
    let in_flight = window_is_full(&here).await;
    drop(here);
    assert_ended(receipts, in_flight).await;
}

#[tokio::test(start_paused = true)]
async fn every_receipt_resolves_when_a_shutdown_has_no_more_time() {
    let broker = Broker::new();
    let (here, _there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipts = publish_all(&here).await;
    let in_flight = window_is_full(&here).await;
    let report = here.shutdown(Duration::from_secs(1)).await;
    assert_eq!((report.unknown, report.unsent), (512, EVENTS - 512));
    assert_eq!(told(&here.counts()), EVENTS);
    assert_ended(receipts, in_flight).await;
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// Also those that are published afterwards, with somebody who hears them and with nobody.
#[test]
fn every_receipt_resolves_when_the_runtime_of_the_mirror_ends() {
    let broker = Broker::new();
    let first = runtime();
    let (here, receipts) = first.block_on(async {
        let (here, _there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
        link_is(&here, LinkState::Up).await;
        broker.hold_confirms();
        let receipts = publish_all(&here).await;
        window_is_full(&here).await;
        (here, receipts)
    });
    drop(first);
    runtime().block_on(async {
        assert_ended(receipts, 512).await;
        let later = async |bus: &Bus| bus.publish(Tick::new(0)).await.expect("open");
        let unheard = later(&here).await;
        let mut ticks = here.subscribe::<Tick>();
        let mut receipts = vec![unheard];
        for _ in 0..200 {
            receipts.push(later(&here).await);
        }
        for (number, receipt) in receipts.into_iter().enumerate() {
            assert_eq!(receipt.local().subscribers, u64::from(number > 0));
            let remote = receipt.remote().now_or_never().expect("known at once");
            assert!(
                matches!(remote, Remote::LocalOnly(LocalOnly::ShutDown)),
                "{remote}"
            );
        }
        assert_eq!(ticks.unread(), 200);
        assert!(ticks.recv().await.expect("open").is_ok());
        let counts = here.counts();
        assert_eq!(
            (counts.mirrored, told(&counts)),
            (EVENTS + 201, EVENTS + 201)
        );
        assert_eq!(counts.published, EVENTS + 201);
    });
}

/// Who awaits is told too, on another thread than the one that ends.
#[test]
fn who_awaits_is_woken_by_the_end() {
    let broker = Broker::new();
    let (first, second) = (runtime(), runtime());
    let (here, receipts) = first.block_on(async {
        let (here, _there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
        link_is(&here, LinkState::Up).await;
        broker.hold_confirms();
        (here.clone(), publish_all(&here).await)
    });
    let waiting = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&waiting);
    let awaiting = std::thread::spawn(move || {
        second.block_on(async {
            let remotes = receipts.into_iter().map(|receipt| {
                let mut remote = receipt.remote();
                assert!((&mut remote).now_or_never().is_none());
                seen.fetch_add(1, Ordering::Relaxed);
                remote
            });
            let remotes: Vec<_> = remotes.collect();
            within("all outcomes", join_all(remotes)).await.len()
        })
    });
    while waiting.load(Ordering::Relaxed) < EVENTS {
        std::thread::yield_now();
    }
    drop(first);
    assert_eq!(awaiting.join().expect("no panic") as u64, EVENTS);
    drop(here);
}

#[tokio::test]
async fn an_outcome_that_is_awaited_no_more_wakes_nobody() {
    struct Flag(AtomicBool);
    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let broker = Broker::new();
    let (here, _there) = (sender::<Tick>(&broker), receiver::<Tick>(&broker));
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let mut receipts = publish_all(&here).await;
    let kept = receipts.pop().expect("some");
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&flag));
    for receipt in receipts {
        let mut remote = receipt.remote();
        assert!(
            remote
                .poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&flag), 1, "no waker is left");
    broker.release_confirms();
    assert!(within("the outcome", kept.remote()).await.is_confirmed());
    assert!(!flag.0.load(Ordering::Relaxed));
}

/// A mirror that sends nothing has nothing to end.
#[tokio::test]
async fn a_mirror_that_only_receives_is_healthy_and_shuts_down_at_once() {
    let broker = Broker::new();
    let there = receiver::<Tick>(&broker);
    link_is(&there, LinkState::Up).await;
    assert!(there.health().mirror.is_some_and(|mirror| mirror.running));
    let receipt = there.publish(Tick::new(1)).await.expect("open");
    let remote = receipt.remote().await;
    assert!(
        matches!(remote, Remote::LocalOnly(LocalOnly::NotMirrored)),
        "{remote}"
    );
    assert_eq!(there.counts().mirrored, 0);
    let start = std::time::Instant::now();
    assert!(there.shutdown(Duration::from_secs(60)).await.is_clean());
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// A due that begins at the publish, also while nothing is taken because others are in the way.
#[tokio::test(start_paused = true)]
async fn a_timeout_begins_with_the_publish_though_nobody_looks_at_the_clock() {
    let broker = Broker::new();
    let _there = receiver::<Tick>(&broker);
    let mirror = Mirror::new(broker.transport("sender"))
        .outbound::<Tick>()
        .timeout(Duration::from_secs(4))
        // That none is confirmed would open it before the last are due.
        .breaker(BreakerConfig::amqp().on_cancel(OnCancel::Ignore))
        .layer(tower::limit::ConcurrencyLimitLayer::new(1));
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let mut outcomes = Vec::new();
    // One is in flight, one has its turn next, and more come one by one.
    for number in 0..8 {
        let start = tokio::time::Instant::now();
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        outcomes.push(tokio::spawn(async move {
            let remote = receipt.remote().await;
            (start.elapsed(), remote)
        }));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    for outcome in outcomes {
        let (elapsed, remote) = outcome.await.expect("no panic");
        assert!(!remote.is_confirmed());
        // It may be counted from the look before, 100 ms earlier.
        let in_time = Duration::from_millis(3_890)..=Duration::from_millis(4_001);
        assert!(in_time.contains(&elapsed), "{elapsed:?}: {remote}");
    }
}
