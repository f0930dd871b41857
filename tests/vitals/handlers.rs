use std::{
    convert::Infallible,
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use algedonic::{Buffer, Bus, Level, Signal};
use tokio::time::{Instant, sleep};

use super::{
    Ordered,
    patience::{until, within},
};

fn pain(number: u64) -> Signal {
    Signal::pain(Level::High, "test").message(number.to_string())
}

async fn raise(bus: &Bus, signals: u64) {
    for number in 0..signals {
        bus.signal(pain(number)).await.expect("open");
    }
}

/// The clock stands still while anybody can go on: what takes no time has waited for nobody.
#[tokio::test(start_paused = true)]
async fn events_that_are_stuck_hold_neither_a_signal_nor_its_handler() {
    let (bus, calls) = (Bus::local(), Arc::<AtomicU64>::default());
    // Nobody reads these, and nobody finishes those.
    let _full = bus.subscribe_with::<Ordered>(Buffer::block(1));
    let stuck: Vec<_> = (0..4)
        .map(|_| {
            let handler = bus.on::<Ordered>().buffer(Buffer::block(1));
            handler.handle(|_| pending::<Result<(), Infallible>>())
        })
        .collect();
    let publishers: Vec<_> = (0..4)
        .map(|number| {
            let bus = bus.clone();
            tokio::spawn(async move {
                loop {
                    bus.publish(Ordered { number }).await.expect("open");
                }
            })
        })
        .collect();
    sleep(Duration::from_secs(1)).await;
    assert!(publishers.iter().all(|publisher| !publisher.is_finished()));
    let published = bus.counts().published;

    let mut signals = bus.signals();
    let counted = Arc::clone(&calls);
    bus.on_signals(Level::Low)
        .handle(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(()) }
        })
        .detach();
    let start = Instant::now();
    for number in 0..500 {
        bus.signal(pain(number)).await.expect("open");
        let signal = signals.recv().await.expect("open").expect("no gap");
        assert_eq!(signal.message, number.to_string());
        while bus.counts().signals_handled <= number {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(calls.load(Ordering::SeqCst), 500);
    // They have waited all the while.
    assert_eq!(bus.counts().published, published);
    publishers.iter().for_each(tokio::task::JoinHandle::abort);
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn so_many_are_in_hand_at_once_and_no_more() {
    for (concurrency, expected) in [(None, 8), (Some(1), 1), (Some(3), 3)] {
        let bus = Bus::local();
        let (now, most) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let mut builder = bus.on_signals(Level::High);
        if let Some(concurrency) = concurrency {
            builder = builder.concurrency(concurrency);
        }
        let (begun, peak) = (Arc::clone(&now), Arc::clone(&most));
        let handler = builder.handle(move |_| {
            let begun = Arc::clone(&begun);
            peak.fetch_max(begun.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            async move {
                sleep(Duration::from_secs(1)).await;
                begun.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        });
        // Of those below its level it hears nothing.
        bus.signal(Signal::pain(Level::Medium, "test"))
            .await
            .expect("open");
        let start = Instant::now();
        raise(&bus, 24).await;
        within("all", async {
            while bus.counts().signals_handled < 24 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        assert_eq!(most.load(Ordering::SeqCst), expected);
        assert_eq!(start.elapsed().as_secs(), 24 / expected);
        assert!(!handler.is_finished());
        assert_eq!(bus.counts().signals_handled, 24);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_panic_are_counted_and_end_nothing() {
    let bus = Bus::local();
    let handler = bus
        .on_signals(Level::Low)
        .named("fragile")
        .handle(|signal| {
            let number: u64 = signal.message.parse().expect("a number");
            // In the call, and in what it returns.
            assert!(!number.is_multiple_of(4), "thrown by the test");
            async move {
                assert!(number % 4 != 1, "thrown by the test");
                if number % 4 == 2 {
                    return Err(io::Error::other("thrown by the test"));
                }
                Ok(())
            }
        });
    raise(&bus, 40).await;
    until("all", || {
        let counts = bus.counts();
        counts.signals_handled + counts.signals_failed + counts.signals_panicked == 40
    })
    .await;
    let counts = bus.counts();
    assert_eq!(
        (
            counts.signals_handled,
            counts.signals_failed,
            counts.signals_panicked
        ),
        (10, 10, 20)
    );
    assert_eq!(
        (
            counts.handled,
            counts.failed,
            counts.panicked,
            counts.signals_abandoned
        ),
        (0, 0, 0, 0)
    );
    assert!(!handler.is_finished());
}

#[tokio::test(start_paused = true)]
async fn what_is_published_inside_has_the_signal_as_its_cause() {
    let bus = Bus::local();
    let mut events = bus.subscribe::<Ordered>();
    let inside = bus.clone();
    let handler = bus.on_signals(Level::Low).handle(move |_| {
        let bus = inside.clone();
        async move { bus.publish(Ordered { number: 1 }).await.map(drop) }
    });
    let mut signals = bus.signals();
    raise(&bus, 1).await;
    let signal = signals.recv().await.expect("open").expect("no gap");
    let event = within("the event", events.recv())
        .await
        .expect("open")
        .expect("no gap");
    assert_eq!(event.metadata().causation, Some(signal.id()));
    drop(handler);
}

/// What hurts during a shutdown is still handled.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_handlers_of_signals_after_those_of_events() {
    let bus = Bus::local();
    let inside = bus.clone();
    bus.on::<Ordered>()
        .handle(move |event| {
            let bus = inside.clone();
            async move {
                sleep(Duration::from_secs(1)).await;
                bus.signal(pain(event.number)).await.map(drop)
            }
        })
        .detach();
    bus.on_signals(Level::Low)
        .handle(|_| async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(())
        })
        .detach();
    for number in 0..3 {
        bus.publish(Ordered { number }).await.expect("open");
    }
    raise(&bus, 20).await;
    let report = bus.shutdown(Duration::from_secs(60)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.handlers_finished, report.handlers_aborted), (2, 0));
    assert_eq!(report.counts.handled, 3);
    assert_eq!(report.counts.signals_handled, 23);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_cuts_off_what_does_not_end() {
    let bus = Bus::local();
    bus.on_signals(Level::Low)
        .handle(|_| pending::<Result<(), Infallible>>())
        .detach();
    raise(&bus, 100).await;
    let start = Instant::now();
    let report = bus.shutdown(Duration::from_secs(10)).await;
    assert!(
        start.elapsed() <= Duration::from_millis(10_200),
        "{:?}",
        start.elapsed()
    );
    assert_eq!((report.handlers_finished, report.handlers_aborted), (0, 1));
    assert_eq!(
        (report.signals_abandoned, report.abandoned, report.unread),
        (100, 0, 0)
    );
    assert!(!report.is_clean());
    assert!(
        report.to_string().contains("0 events and 100 signals"),
        "{report}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_shut_the_bus_down() {
    let bus = Bus::local();
    let (report, told) = tokio::sync::oneshot::channel();
    let (inside, report) = (bus.clone(), std::sync::Mutex::new(Some(report)));
    bus.on_signals(Level::Critical)
        .handle(move |_| {
            let (bus, report) = (inside.clone(), report.lock().expect("no panic").take());
            async move {
                let shutdown = bus.shutdown(Duration::from_secs(60)).await;
                report.expect("once").send(shutdown).expect("awaited");
                Ok::<_, Infallible>(())
            }
        })
        .detach();
    let start = Instant::now();
    bus.signal(Signal::pain(Level::Critical, "test"))
        .await
        .expect("open");
    let report = told.await.expect("not cut off");
    assert_eq!(report.handlers_aborted, 0);
    assert_eq!(start.elapsed(), Duration::ZERO);
    until("the handler's end", || bus.counts().signals_handled == 1).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_it_leaves_and_what_it_had_is_counted() {
    let bus = Bus::local();
    let handler = bus
        .on_signals(Level::Low)
        .concurrency(2)
        .handle(|_| pending::<Result<(), Infallible>>());
    raise(&bus, 10).await;
    tokio::task::yield_now().await;
    drop(handler);
    until("its end", || bus.counts().signals_abandoned == 10).await;
    raise(&bus, 10).await;
    sleep(Duration::from_secs(1)).await;
    let counts = bus.counts();
    assert_eq!((counts.signals_abandoned, counts.signals_handled), (10, 0));
}
