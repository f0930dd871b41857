use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use algedonic::{Buffer, Bus, ErrorKind, Level, Signal, Status};
use futures_util::FutureExt;
use tokio::{sync::Semaphore, time::Instant};

use crate::events::Tick;

#[tokio::test]
async fn handlers_finish_what_was_published_before() {
    let bus = Bus::local();
    let sum = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&sum);
    bus.on::<Tick>()
        .handle(move |tick| {
            let total = Arc::clone(&total);
            async move {
                tokio::task::yield_now().await;
                total.fetch_add(tick.number, Ordering::Relaxed);
                Ok::<_, io::Error>(())
            }
        })
        .detach();
    for number in 1..=100 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let report = bus.shutdown(Duration::from_secs(5)).await;
    assert_eq!(sum.load(Ordering::Relaxed), 5050);
    assert_eq!((report.handlers_finished, report.handlers_aborted), (1, 0));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.counts.handled, 100);
}

#[tokio::test]
async fn a_closed_bus_takes_nothing_and_says_so() {
    let bus = Bus::local();
    bus.shutdown(Duration::from_secs(1)).await;
    let event = bus.publish(Tick::new(1)).await.expect_err("closed");
    let signal = bus
        .signal(Signal::pain(Level::Critical, "m"))
        .await
        .expect_err("closed");
    assert_eq!(
        (event.kind(), signal.kind()),
        (ErrorKind::Closed, ErrorKind::Closed)
    );
    assert!(bus.subscribe::<Tick>().recv().await.is_none());
    assert!(bus.signals().recv().await.is_none());
    assert!(
        bus.subscribe_pattern("#")
            .expect("a pattern")
            .recv()
            .await
            .is_none()
    );
    assert_eq!(bus.health().status, Status::Unhealthy);
    assert_eq!(bus.counts().refused, 2);
    // Idempotent.
    assert!(bus.shutdown(Duration::from_secs(1)).await.is_clean());
}

#[tokio::test]
async fn what_is_buffered_can_be_read_afterwards() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    bus.publish(Tick::new(1)).await.expect("open");
    let report = bus.shutdown(Duration::from_secs(1)).await;
    assert_eq!(report.unread, 1);
    assert!(!report.is_clean());
    assert_eq!(
        ticks
            .recv()
            .await
            .expect("still there")
            .expect("no gap")
            .number,
        1
    );
    assert!(ticks.recv().await.is_none());
}

/// Paused time: the deadline is met to the millisecond, by a handler that never ends and a
/// subscriber that nobody reads.
#[tokio::test(start_paused = true)]
async fn the_deadline_bounds_it_whatever_hangs() {
    let bus = Bus::local();
    bus.on::<Tick>()
        .handle(|_| std::future::pending::<Result<(), io::Error>>())
        .detach();
    let _unread = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(1)).await.expect("open");
    let stuck = tokio::spawn({
        let bus = bus.clone();
        async move { bus.publish(Tick::new(2)).await }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    let report = bus.shutdown(Duration::from_secs(8)).await;
    assert!(
        start.elapsed() <= Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(report.handlers_aborted, 1);
    let released = stuck.await.expect("no panic").expect("its event was taken");
    assert_eq!(
        released.local().subscribers,
        1,
        "the handler has it, the full one not"
    );
    assert_eq!(report.counts.undelivered, 1);
}

#[tokio::test]
async fn a_publisher_that_waits_for_room_is_let_finish() {
    let bus = Bus::local();
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    bus.on::<Tick>()
        .buffer(Buffer::block(1))
        .handle(move |_| {
            let gate = Arc::clone(&opened);
            async move {
                gate.acquire().await.expect("open").forget();
                Ok::<_, io::Error>(())
            }
        })
        .detach();
    let publisher = tokio::spawn({
        let bus = bus.clone();
        async move {
            for number in 0..3 {
                bus.publish(Tick::new(number))
                    .await
                    .expect("begun before the shutdown");
            }
        }
    });
    while bus.counts().published < 3 {
        tokio::task::yield_now().await;
    }
    let shutdown = bus.shutdown(Duration::from_secs(10));
    tokio::pin!(shutdown);
    assert!((&mut shutdown).now_or_never().is_none());
    gate.add_permits(3);
    let report = shutdown.await;
    publisher.await.expect("no panic");
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.counts.handled, 3);
}

#[tokio::test]
async fn a_dropped_bus_leaves_no_task() {
    let alive = Arc::new(());
    let bus = Bus::local();
    let held = Arc::clone(&alive);
    bus.on::<Tick>()
        .handle(move |_| {
            let _held = Arc::clone(&held);
            async { Ok::<_, io::Error>(()) }
        })
        .detach();
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 1);
    drop(bus);
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(Arc::strong_count(&alive), 1);
}
