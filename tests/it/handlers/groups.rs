use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use algedonic::{Buffer, Bus, Handler, Retry};
use tokio::sync::{Semaphore, mpsc};

use crate::{
    events::Tick,
    patience::{until, within},
};

type Seen = Arc<Mutex<BTreeMap<u64, Vec<&'static str>>>>;

fn member(bus: &Bus, name: &'static str, seen: &Seen) -> Handler {
    let seen = Arc::clone(seen);
    bus.on::<Tick>().group("billing").handle(move |tick| {
        let seen = Arc::clone(&seen);
        async move {
            tokio::time::sleep(Duration::from_millis(1 + tick.number % 3)).await;
            seen.lock()
                .expect("whole")
                .entry(tick.number)
                .or_default()
                .push(name);
            Ok::<_, io::Error>(())
        }
    })
}

/// Requirement 2.14.
#[tokio::test(start_paused = true)]
async fn each_event_goes_to_exactly_one_of_a_group_and_to_every_group() {
    let (bus, seen) = (Bus::local(), Seen::default());
    let handlers = ["a", "b", "c"].map(|name| member(&bus, name, &seen));
    let (done, mut others) = mpsc::unbounded_channel();
    let _other = bus.on::<Tick>().group("shipping").handle(move |tick| {
        done.send(tick.number).expect("the test is listening");
        async { Ok::<_, io::Error>(()) }
    });
    for number in 0..60 {
        let receipt = bus.publish(Tick::new(number)).await.expect("open");
        assert_eq!(receipt.local().subscribers, 2, "one for each group");
    }
    for number in 0..60 {
        assert_eq!(others.recv().await, Some(number));
    }
    for handler in handlers {
        assert_eq!(handler.drain().await.abandoned, 0);
    }
    let seen = seen.lock().expect("whole");
    assert_eq!(seen.len(), 60);
    assert!(seen.values().all(|names| names.len() == 1), "{seen:?}");
    for name in ["a", "b", "c"] {
        assert!(
            seen.values().any(|names| names[0] == name),
            "{name} shares the load"
        );
    }
}

/// The one that is dropped loses what it had in hand, and nothing else.
#[tokio::test(start_paused = true)]
async fn what_a_dropped_member_has_not_begun_stays_for_the_others() {
    let (bus, seen) = (Bus::local(), Seen::default());
    let stuck = bus
        .on::<Tick>()
        .group("billing")
        .handle(|_| std::future::pending::<Result<(), io::Error>>());
    for number in 0..10 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    tokio::task::yield_now().await;
    let other = member(&bus, "b", &seen);
    drop(stuck);
    assert_eq!(other.drain().await.finished, 9);
    assert_eq!((bus.counts().abandoned, bus.counts().handled), (1, 9));
    // With the last one the group has ended.
    let receipt = bus.publish(Tick::new(10)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 0);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_a_dropped_member_is_free_for_the_others() {
    let bus = Bus::local();
    let of_one_key = || bus.on::<Tick>().group("billing").keyed(|_| "one");
    let stuck = of_one_key().handle(|_| std::future::pending::<Result<(), io::Error>>());
    let (done, mut handled) = mpsc::unbounded_channel();
    tokio::task::yield_now().await;
    bus.publish(Tick::new(0)).await.expect("open");
    tokio::task::yield_now().await;
    let _other = of_one_key().handle(move |tick| {
        done.send(tick.number).expect("the test is listening");
        async { Ok::<_, io::Error>(()) }
    });
    bus.publish(Tick::new(1)).await.expect("open");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(handled.try_recv().is_err(), "its key is in hand");
    drop(stuck);
    assert_eq!(within("the key", handled.recv()).await, Some(1));
}

/// A member that leaves lets the others try again what it could not handle.
#[tokio::test(start_paused = true)]
async fn an_event_that_waits_for_its_retry_stays_with_the_group() {
    let (bus, seen) = (Bus::local(), Seen::default());
    let failing = bus
        .on::<Tick>()
        .group("billing")
        .retry(Retry::attempts(2).delays(Duration::from_secs(9), Duration::from_secs(9)))
        .handle(|_| async { Err("planted") });
    bus.publish(Tick::new(0)).await.expect("open");
    until("the first attempt", || bus.counts().retried == 1).await;
    let other = member(&bus, "b", &seen);
    assert_eq!(failing.drain().await.finished, 0);
    assert_eq!(other.drain().await.finished, 1);
    assert_eq!(bus.counts().abandoned, 0);
}

#[tokio::test(start_paused = true)]
async fn the_buffer_is_that_of_the_first_member() {
    let bus = Bus::local();
    let gate = Arc::new(Semaphore::new(0));
    let waits = |builder: algedonic::HandlerBuilder<'_, Tick>| {
        let gate = Arc::clone(&gate);
        builder.group("g").handle(move |_| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.expect("open").forget();
                Ok::<_, io::Error>(())
            }
        })
    };
    let _first = waits(bus.on().buffer(Buffer::block(1)));
    let _second = waits(bus.on().buffer(Buffer::block(100)));
    // Two in hand, one buffered; the next waits.
    for number in 0..3 {
        bus.publish(Tick::new(number)).await.expect("open");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let wait = tokio::time::timeout(Duration::from_secs(1), bus.publish(Tick::new(3)));
    assert!(wait.await.is_err(), "backpressure");
}

#[tokio::test]
#[should_panic(expected = "all keyed, or none of them")]
async fn a_group_is_not_keyed_in_part() {
    let (bus, seen) = (Bus::local(), Seen::default());
    let _keyed = bus
        .on::<Tick>()
        .group("billing")
        .keyed(|tick| tick.number)
        .handle(|_| async { Ok::<_, io::Error>(()) });
    let _unkeyed = member(&bus, "b", &seen);
}

/// A member that blocks its thread, which is wrong, holds up what it has in hand, and not the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_blocks_its_thread_does_not_hold_the_others() {
    let (bus, seen) = (Bus::local(), Seen::default());
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (held, mut once) = (Mutex::new(held), true);
    let blocking = bus
        .on::<Tick>()
        .group("billing")
        .concurrency(4)
        .handle(move |_| {
            if std::mem::take(&mut once) {
                let _ = held.lock().expect("whole").recv();
            }
            async { Ok::<_, io::Error>(()) }
        });
    bus.publish(Tick::new(0)).await.expect("open");
    let other = member(&bus, "b", &seen);
    for number in 1..10 {
        bus.publish(Tick::new(number)).await.expect("open");
    }
    let handled = within("the other", async {
        while seen.lock().expect("whole").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    handled.await;
    drop(release);
    within("the first", blocking.drain()).await;
    within("the other", other.drain()).await;
    assert_eq!((bus.counts().handled, bus.counts().abandoned), (10, 0));
}

/// Whoever comes while the last member ends the group is a member, or begins a new group: never one of
/// a group that gets nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_joins_while_the_last_member_drains_gets_what_is_published_then() {
    for round in 0..500 {
        let (bus, seen) = (Bus::local(), Seen::default());
        let last = member(&bus, "last", &seen);
        let drained = tokio::spawn(last.drain());
        let joins = {
            let (bus, seen) = (bus.clone(), Arc::clone(&seen));
            tokio::spawn(async move { member(&bus, "next", &seen) })
        };
        let next = joins.await.expect("no panic");
        let publish = bus.publish(Tick::new(round)).await.expect("open");
        within("the last one's end", drained)
            .await
            .expect("no panic");
        within("the next one's end", next.drain()).await;
        let handled = seen.lock().expect("whole").len();
        assert_eq!(
            (publish.local().subscribers > 0, handled),
            (true, 1),
            "round {round}"
        );
    }
}
