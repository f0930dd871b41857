use std::{io, time::Duration};

use algedonic::{Buffer, Bus, Retry};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    events::Tick,
    patience::{until, within},
};

const SECOND: Duration = Duration::from_secs(1);

/// A handler that takes a second for each event.
async fn slow(_: algedonic::Envelope<Tick>) -> Result<(), io::Error> {
    tokio::time::sleep(SECOND).await;
    Ok(())
}

/// Requirement 4.20.
#[tokio::test(start_paused = true)]
async fn a_drained_handler_finishes_what_it_has_and_takes_no_more() {
    let bus = Bus::local();
    let handler = bus.on::<Tick>().handle(slow);
    for number in 0..5 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let draining = tokio::spawn(handler.drain());
    tokio::time::sleep(SECOND / 2).await;
    let receipt = bus.publish(Tick::new(5)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 0, "it has left the bus");
    let drained = draining.await.expect("no panic");
    assert_eq!((drained.finished, drained.abandoned), (5, 0));
    assert_eq!((bus.counts().handled, bus.counts().abandoned), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_the_rest_is_abandoned() {
    let bus = Bus::local();
    let handler = bus.on::<Tick>().concurrency(2).handle(slow);
    for number in 0..9 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let start = Instant::now();
    let drained = handler.drain_within(SECOND * 5 / 2).await;
    assert!(start.elapsed() <= SECOND * 3);
    assert_eq!((drained.finished, drained.abandoned), (4, 5));
    assert_eq!((bus.counts().handled, bus.counts().abandoned), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_drain_ends_the_handler() {
    let bus = Bus::local();
    let handler = bus.on::<Tick>().handle(slow);
    for number in 0..3 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    assert!(
        tokio::time::timeout(SECOND / 2, handler.drain())
            .await
            .is_err()
    );
    until("the books", || bus.counts().abandoned == 3).await;
}

#[tokio::test(start_paused = true)]
async fn in_a_group_the_others_go_on() {
    let bus = Bus::local();
    let members = [(); 2].map(|()| bus.on::<Tick>().group("g").handle(slow));
    for number in 0..6 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    tokio::time::sleep(SECOND / 2).await;
    let [one, other] = members;
    assert_eq!(one.drain().await.finished, 1);
    let receipt = bus.publish(Tick::new(6)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 1);
    other.drain().await;
    assert_eq!((bus.counts().handled, bus.counts().abandoned), (7, 0));
}

#[tokio::test]
async fn a_handler_may_drain_itself() {
    let bus = Bus::local();
    let (give, take) = tokio::sync::oneshot::channel::<algedonic::Handler>();
    let (done, mut numbers) = mpsc::unbounded_channel();
    let mut take = Some(take);
    let handler = bus.on::<Tick>().handle(move |tick| {
        let (take, done) = (take.take(), done.clone());
        async move {
            if let Some(take) = take {
                take.await.expect("given").drain().await;
            }
            done.send(tick.number).expect("the test is listening");
            Ok::<_, io::Error>(())
        }
    });
    for number in 0..2 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    give.send(handler).expect("it waits");
    for number in 0..2 {
        assert_eq!(within("the handler", numbers.recv()).await, Some(number));
    }
    within("its end", async {
        while bus
            .publish(Tick::new(2))
            .await
            .expect("open")
            .local()
            .subscribers
            > 0
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// In hand, parked behind a key, waiting for a retry, buffered: each is counted, once.
#[tokio::test(start_paused = true)]
async fn a_shutdown_counts_all_that_is_left_wherever_it_is() {
    let bus = Bus::local();
    bus.on::<Tick>()
        .keyed(|tick| tick.publisher)
        .buffer(Buffer::block(4))
        .concurrency(2)
        .retry(Retry::attempts(2))
        .handle(|tick| async move {
            if tick.publisher == 0 {
                return Err(algedonic::Fail::retry_after(100 * SECOND, "planted"));
            }
            std::future::pending().await
        })
        .detach();
    // One waits for its retry, three are parked behind it, four are buffered.
    for number in 0..8 {
        bus.publish(Tick::new(number)).await.expect("open");
        tokio::time::sleep(SECOND).await;
    }
    let report = bus.shutdown(8 * SECOND).await;
    assert_eq!(
        (report.handlers_aborted, report.abandoned, report.unread),
        (1, 8, 0)
    );
    assert_eq!((report.counts.retried, report.counts.handled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_due_before_the_deadline_is_made_at_a_shutdown() {
    let bus = Bus::local();
    let mut first = true;
    let handler = move |tick: algedonic::Envelope<Tick>| {
        let fails = std::mem::take(&mut first) && tick.number == 0;
        async move {
            tokio::time::sleep(SECOND).await;
            if fails {
                Err(algedonic::Fail::retry_after(SECOND, "planted"))
            } else {
                Ok(())
            }
        }
    };
    bus.on::<Tick>()
        .retry(Retry::attempts(2))
        .handle(handler)
        .detach();
    let members = [(); 2].map(|()| bus.on::<Tick>().group("g").handle(slow));
    for number in 0..2 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let report = bus.shutdown(20 * SECOND).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.handlers_finished, report.counts.handled), (3, 4));
    drop(members);
}

/// It has no await that waits, and yet it can be ended.
#[tokio::test]
async fn a_handler_that_never_waits_lets_others_have_their_turn() {
    let bus = Bus::local();
    let inner = bus.clone();
    let handler = bus.on::<Tick>().handle(move |tick| {
        let bus = inner.clone();
        async move { bus.publish(Tick::new(tick.number + 1)).await.map(drop) }
    });
    bus.publish(Tick::new(0)).await.expect("open");
    until("some turns", || bus.counts().handled > 1000).await;
    drop(handler);
    until("its end", || bus.counts().abandoned > 0).await;
}
