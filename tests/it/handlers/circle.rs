use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use algedonic::{Buffer, Bus, ErrorKind};

use crate::{
    events::Tick,
    patience::{until, within},
};

/// A handler that publishes events of its own type: each of a tree of them is handled once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_may_publish_its_own_type() {
    const DEPTH: u64 = 9;
    let bus = Bus::local();
    let handled = Arc::new(AtomicU64::new(0));
    let (inner, count) = (bus.clone(), Arc::clone(&handled));
    let _handler = bus.on::<Tick>().concurrency(3).handle(move |tick| {
        let (bus, count) = (inner.clone(), Arc::clone(&count));
        async move {
            if tick.number > 0 {
                bus.publish(Tick::new(tick.number - 1)).await?;
                bus.publish(Tick::new(tick.number - 1)).await?;
            }
            count.fetch_add(1, SeqCst);
            Ok::<_, algedonic::Error>(())
        }
    });
    bus.publish(Tick::new(DEPTH)).await.expect("open");
    let all = (1 << (DEPTH + 1)) - 1;
    until("the tree", || handled.load(SeqCst) == all).await;
    bus.shutdown(Duration::from_secs(5)).await;
    assert_eq!((bus.counts().published, bus.counts().handled), (all, all));
    bus.books().assert_balanced();
}

/// One that fills its own buffer waits for itself, as documented: the shutdown ends it, and each event
/// is accounted for.
#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_for_itself_is_ended_by_the_shutdown() {
    let bus = Bus::local();
    let inner = bus.clone();
    let (told, mut outcome) = tokio::sync::mpsc::unbounded_channel();
    let _handler = bus
        .on::<Tick>()
        .buffer(Buffer::block(1))
        .handle(move |tick| {
            let (bus, told) = (inner.clone(), told.clone());
            async move {
                if tick.number == 0 {
                    for number in 1..4 {
                        let published = bus.publish(Tick::new(number)).await;
                        told.send(published.map_err(|error| error.kind()))
                            .expect("heard");
                    }
                }
                Ok::<_, algedonic::Error>(())
            }
        });
    bus.publish(Tick::new(0)).await.expect("open");
    let first = within("room for one", outcome.recv()).await;
    first.expect("told").expect("published");
    let report = within("the end", bus.shutdown(Duration::from_secs(8))).await;
    for _ in 0..2 {
        let refused = within("a refusal", outcome.recv()).await.expect("told");
        assert_eq!(refused.expect_err("it waited"), ErrorKind::Closed);
    }
    assert_eq!(report.handlers_finished, 1, "{report}");
    assert_eq!((bus.counts().published, bus.counts().handled), (2, 2));
    bus.books().assert_balanced();
}

/// The same with `try_publish` and with a deadline of its own: it learns, and goes on.
#[tokio::test(start_paused = true)]
async fn a_handler_that_will_not_wait_for_itself_learns() {
    let bus = Bus::local();
    let publisher = bus.publisher::<Tick>();
    let (told, mut outcome) = tokio::sync::mpsc::unbounded_channel();
    let _handler = bus
        .on::<Tick>()
        .buffer(Buffer::block(1))
        .handle(move |tick| {
            let (publisher, told) = (publisher.clone(), told.clone());
            async move {
                if tick.number == 0 {
                    publisher.publish(Tick::new(1)).await?;
                    let refused = publisher.try_publish(Tick::new(2)).map(drop);
                    told.send(refused.map_err(|error| error.kind()))
                        .expect("heard");
                    let publish = publisher.publish(Tick::new(3));
                    let late = tokio::time::timeout(Duration::from_secs(1), publish).await;
                    assert!(late.is_err(), "there was room");
                }
                Ok::<_, algedonic::Error>(())
            }
        });
    bus.publish(Tick::new(0)).await.expect("open");
    let refused = within("a refusal", outcome.recv()).await.expect("told");
    assert_eq!(refused, Err(ErrorKind::Busy));
    bus.shutdown(Duration::from_secs(8)).await;
    assert_eq!((bus.counts().published, bus.counts().handled), (2, 2));
    bus.books().assert_balanced();
}
