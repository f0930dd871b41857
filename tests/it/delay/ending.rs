use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use algedonic::{Buffer, Bus, ErrorKind};
use futures_util::FutureExt;
use tokio::time::{Instant, advance, sleep};

use super::{Tock, alive_tasks, assert_balanced, ms, read, turns};
use crate::{
    events::Tick,
    last_words::LastWords,
    patience::{until, within},
};

#[tokio::test(start_paused = true)]
async fn a_shutdown_drops_what_is_not_due_and_says_so() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let due = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    let undue = bus.publish_after(ms(60_000), Tick::new(2)).expect("open");
    bus.publish_after(ms(60_000), Tock(3))
        .expect("open")
        .detach();
    sleep(ms(20)).await;
    ticks.recv().await.expect("open").expect("no gap");
    let start = Instant::now();
    let report = bus.shutdown(ms(1000)).await;
    assert_eq!(start.elapsed(), ms(0), "nothing to wait for");
    assert_eq!((report.delayed, report.is_clean()), (2, false));
    assert!(report.to_string().contains("2 delayed"), "{report}");
    assert_eq!(report.counts.delayed_abandoned, 2);
    assert_eq!(report.counts.delayed_pending, 0);
    assert_balanced(&bus);
    due.await.expect("published");
    let undue = undue.cancel().expect_err("dropped");
    assert_eq!(undue.await.expect_err("dropped").kind(), ErrorKind::Closed);
    // Idempotent, and nothing is taken any more.
    assert!(bus.shutdown(ms(1000)).await.is_clean());
    let refused = bus.publish_after(ms(1), Tick::new(4)).expect_err("closed");
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert_eq!((bus.counts().delayed, bus.counts().refused), (3, 1));
    assert!(ticks.recv().await.is_none());
    assert_eq!(alive_tasks(), 0);
}

/// The clock has come so far, and the timer's task has not had its turn.
#[tokio::test(start_paused = true)]
async fn what_is_due_at_a_shutdown_is_published() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let delayed: Vec<_> = (0..3)
        .map(|number| {
            bus.publish_after(ms(10 * number), Tick::new(number))
                .expect("open")
        })
        .collect();
    let clock = advance(ms(10));
    assert!(clock.now_or_never().is_none(), "it lets others have a turn");
    let report = bus.shutdown(ms(1000)).await;
    assert_eq!((report.delayed, report.counts.delayed_published), (1, 2));
    assert_eq!(read(&mut ticks, |tick| tick.number), [0, 1]);
    for (number, delayed) in delayed.into_iter().enumerate() {
        assert_eq!(delayed.await.is_ok(), number < 2);
    }
}

/// Cut short at its first await it has closed the bus for delayed events, too.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_dropped_has_closed_the_bus() {
    let bus = Bus::local();
    let _slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish_after(ms(0), Tick::new(0))
        .expect("open")
        .detach();
    bus.publish_after(ms(0), Tick::new(0))
        .expect("open")
        .detach();
    let undue = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    sleep(ms(1)).await;
    assert!(bus.shutdown(ms(1000)).now_or_never().is_none());
    assert_eq!(undue.await.expect_err("dropped").kind(), ErrorKind::Closed);
    bus.publish_after(ms(10), Tick::new(1)).expect_err("closed");
    assert_eq!(bus.shutdown(ms(1000)).await.delayed, 1);
    assert_balanced(&bus);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_at_a_shutdown_may_get_it() {
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let delayed: Vec<_> = (0..3)
        .map(|number| bus.publish_after(ms(10), Tick::new(number)).expect("open"))
        .collect();
    sleep(ms(20)).await;
    let shutdown = tokio::spawn({
        let bus = bus.clone();
        async move { bus.shutdown(ms(1000)).await }
    });
    sleep(ms(100)).await;
    assert_eq!(slow.recv().await.expect("open").expect("no gap").number, 0);
    let report = shutdown.await.expect("no panic");
    // The third had not begun.
    assert_eq!((report.delayed, report.counts.delayed_published), (1, 2));
    assert_eq!(read(&mut slow, |tick| tick.number), [1]);
    let outcomes = futures_util::future::join_all(delayed).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 2);
    assert_balanced(&bus);
    assert_eq!(alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_room_is_dropped_within_the_deadline() {
    let bus = Bus::local();
    let _slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    bus.publish(Tick::new(0)).await.expect("room");
    let delayed = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    sleep(ms(20)).await;
    let start = Instant::now();
    let report = bus.shutdown(ms(1000)).await;
    assert_eq!(start.elapsed(), ms(500), "half of the time for publishers");
    assert_eq!((report.delayed, report.counts.delayed_abandoned), (1, 1));
    assert_eq!(
        delayed.await.expect_err("no room").kind(),
        ErrorKind::Closed
    );
    assert_balanced(&bus);
    assert_eq!(alive_tasks(), 0);
}

/// Dropped without a shutdown: guards learn it, the events are dropped, no task is left.
#[tokio::test(start_paused = true)]
async fn delayed_events_go_with_their_bus() {
    let dropped = Arc::new(AtomicU64::new(0));
    let bus = Bus::local();
    let _slow = bus.subscribe_with::<LastWords>(Buffer::block(1));
    let delayed = [ms(0), ms(0), ms(0), ms(1000)].map(|delay| {
        let dropped = Arc::clone(&dropped);
        let event = LastWords::new(0, move || {
            dropped.fetch_add(1, Ordering::Relaxed);
        });
        bus.publish_after(delay, event).expect("open")
    });
    bus.publish_after(ms(2000), Tick::new(1))
        .expect("open")
        .detach();
    sleep(ms(10)).await;
    assert_eq!(bus.counts().delayed_pending, 4);
    let [published, rest @ ..] = delayed;
    let waiting = tokio::spawn(futures_util::future::join_all(rest));
    turns().await;
    drop(bus);
    for outcome in within("the guards", waiting).await.expect("no panic") {
        assert_eq!(
            outcome.expect_err("the bus is gone").kind(),
            ErrorKind::Closed
        );
    }
    published.await.expect("it has been published");
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        3,
        "one is with its subscriber"
    );
    until("the task to end", || alive_tasks() == 0).await;
}

/// A guard keeps no bus, and needs none.
#[test]
fn a_guard_outlives_bus_and_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    let bus = Bus::local();
    let delayed = runtime.block_on(async { bus.publish_after(ms(60_000), Tick::new(1)) });
    drop((bus, runtime));
    let outcome = delayed.expect("open").now_or_never().expect("resolved");
    assert_eq!(outcome.expect_err("gone").kind(), ErrorKind::Closed);
}

/// The timer's runtime ends, and the bus does not: the next delayed event starts another timer.
#[test]
fn a_bus_outlives_the_runtime_of_its_timer() {
    let runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.expect("a runtime")
    };
    let bus = Bus::local();
    let mut slow = bus.subscribe_with::<Tick>(Buffer::block(1));
    let first = runtime();
    let lost = first.block_on(async {
        let lost = [0, 0, 0, 60_000].map(|delay| {
            bus.publish_after(ms(delay), Tick::new(delay))
                .expect("open")
        });
        sleep(ms(10)).await;
        lost
    });
    drop(first);
    let outcomes = lost.map(|delayed| {
        delayed
            .now_or_never()
            .expect("resolved")
            .map_err(|error| error.kind())
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(bus.counts().delayed_abandoned, 3);
    assert_eq!(read(&mut slow, |tick| tick.number), [0]);
    runtime().block_on(async {
        let delayed = bus.publish_after(ms(1), Tick::new(7)).expect("open");
        delayed.await.expect("published");
    });
    assert_eq!(read(&mut slow, |tick| tick.number), [7]);
    assert_balanced(&bus);
}
