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

use crate::{
    events::Tick,
    patience::{until, within},
};

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
    assert_eq!(bus.health().status, Status::Closed);
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
    let refused = stuck.await.expect("no panic").expect_err("nobody got it");
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert_eq!(report.unread, 1, "what nobody reads");
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
    // One is in hand, one buffered, and the third waits for room.
    until("the publishers", || bus.counts().published == 2).await;
    tokio::task::yield_now().await;
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
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test(start_paused = true)]
async fn what_an_aborted_handler_leaves_is_counted() {
    let bus = Bus::local();
    bus.on::<Tick>()
        .handle(|_| std::future::pending::<Result<(), io::Error>>())
        .detach();
    for number in 0..5 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    tokio::task::yield_now().await;
    let report = bus.shutdown(Duration::from_secs(1)).await;
    assert_eq!(
        (report.handlers_aborted, report.abandoned, report.unread),
        (1, 5, 0)
    );
    assert!(!report.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_does_not_hold_the_shutdown() {
    let bus = Bus::local();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    bus.on::<Tick>()
        .handle(move |_| {
            // Wrong in a handler, and yet it happens.
            let _ = held.lock().expect("whole").recv();
            async { Ok::<_, io::Error>(()) }
        })
        .detach();
    bus.publish(Tick::new(1)).await.expect("open");
    let report = within("the shutdown", bus.shutdown(Duration::from_millis(100))).await;
    assert_eq!(report.handlers_aborted, 1);
    drop(release);
}

#[tokio::test]
async fn two_at_once_and_one_for_ever_are_one_shutdown() {
    let bus = Bus::local();
    let handled = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&handled);
    bus.on::<Tick>()
        .handle(move |_| {
            let count = Arc::clone(&count);
            async move {
                tokio::task::yield_now().await;
                count.fetch_add(1, Ordering::Relaxed);
                Ok::<_, io::Error>(())
            }
        })
        .detach();
    for number in 0..50 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    // Cancelled at the start: the handlers go on.
    assert!(
        bus.shutdown(Duration::from_secs(5))
            .now_or_never()
            .is_none()
    );
    let (one, other) = tokio::join!(bus.shutdown(Duration::MAX), bus.shutdown(Duration::MAX));
    assert!(one.is_clean() && other.is_clean(), "{one} {other}");
    assert_eq!(handled.load(Ordering::Relaxed), 50);
}

#[tokio::test]
async fn a_handler_may_shut_the_bus_down() {
    let bus = Bus::local();
    let (inner, (done, report)) = (bus.clone(), tokio::sync::oneshot::channel());
    let mut done = Some(done);
    bus.on::<Tick>()
        .handle(move |_| {
            let (bus, done) = (inner.clone(), done.take());
            async move {
                let report = bus.shutdown(Duration::from_secs(60)).await;
                done.expect("one event")
                    .send(report)
                    .expect("the test waits");
                Ok::<_, io::Error>(())
            }
        })
        .detach();
    bus.publish(Tick::new(1)).await.expect("open");
    let report = within("the shutdown", report).await.expect("it finished");
    assert!(report.is_clean(), "{report}");
}
