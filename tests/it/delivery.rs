use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use algedonic::{
    Buffer, Bus, CorrelationId, ErrorKind, Event, EventId, Key, KeyError, LocalOnly,
    PublishOptions, Remote,
};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::events::{StateChange, Tick};

#[tokio::test]
async fn every_subscriber_of_the_type_gets_the_event_once() {
    let bus = Bus::local();
    let mut first = bus.subscribe::<Tick>();
    let mut second = bus.subscribe::<Tick>();
    let mut other = bus.subscribe::<StateChange>();
    let receipt = bus.publish(Tick::new(7)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 2);
    for subscription in [&mut first, &mut second] {
        let event = subscription.recv().await.expect("open").expect("no gap");
        assert_eq!(event.number, 7);
        assert_eq!(event.id(), receipt.id());
        assert_eq!(subscription.unread(), 0);
    }
    assert_eq!(other.unread(), 0);
    bus.shutdown(Duration::from_secs(1)).await;
    assert!(other.recv().await.is_none());
}

#[tokio::test]
async fn an_event_without_a_subscriber_is_no_error() {
    let bus = Bus::local();
    let receipt = bus.publish(Tick::new(1)).await.expect("open");
    assert_eq!(receipt.local().subscribers, 0);
    let remote = receipt.remote().await;
    assert!(matches!(remote, Remote::LocalOnly(LocalOnly::NoTransport)));
}

#[tokio::test]
async fn a_subscription_begins_with_the_next_event() {
    let bus = Bus::local();
    bus.publish(Tick::new(1)).await.expect("open");
    let mut subscription = bus.subscribe::<Tick>();
    bus.publish(Tick::new(2)).await.expect("open");
    let event = subscription.recv().await.expect("open").expect("no gap");
    assert_eq!(event.number, 2);
}

/// Channels, handles, locks: whatever can be shared can be published, and is never copied.
#[tokio::test]
async fn a_local_event_may_hold_anything() {
    struct Job {
        work: mpsc::Sender<u8>,
        reply: std::sync::Mutex<Option<oneshot::Sender<u8>>>,
        big: Arc<[u8]>,
    }
    impl Event for Job {
        const NAME: &'static str = "test.job";
    }
    let bus = Bus::local();
    let mut subscription = bus.subscribe::<Job>();
    let (work, mut worked) = mpsc::channel(1);
    let (reply, replied) = oneshot::channel();
    let big: Arc<[u8]> = vec![0; 1 << 20].into();
    let job = Job {
        work,
        reply: Some(reply).into(),
        big: Arc::clone(&big),
    };
    bus.publish(job).await.expect("open");
    let job = subscription.recv().await.expect("open").expect("no gap");
    assert!(Arc::ptr_eq(&job.big, &big));
    job.work.send(1).await.expect("receiver is here");
    let reply = job.reply.lock().expect("not poisoned").take();
    reply.expect("first").send(2).expect("receiver is here");
    assert_eq!(worked.recv().await, Some(1));
    assert_eq!(replied.await, Ok(2));
}

/// Requirements 3.10 and 0.11: AMQP's grammar, in the process as on the broker.
#[tokio::test]
async fn patterns_select_by_key_over_all_types() {
    let bus = Bus::local();
    let mut s3 = bus.subscribe_pattern("s3.*").expect("a pattern");
    let mut all = bus.subscribe_pattern("#").expect("a pattern");
    let mut none = bus.subscribe_pattern("s4.#").expect("a pattern");
    bus.publish(StateChange::of("s3")).await.expect("open");
    bus.publish(StateChange::of("s1")).await.expect("open");
    bus.publish(Tick::new(1)).await.expect("open");

    let change = s3.recv().await.expect("open").expect("no gap");
    assert_eq!(*change.key(), "s3.state_change");
    let typed = change.downcast::<StateChange>().expect("its type");
    assert_eq!(typed.new_state, "executing");
    assert!(change.downcast::<Tick>().is_none());

    assert_eq!((s3.unread(), all.unread(), none.unread()), (0, 3, 0));
    let keys: Vec<String> = (&mut all)
        .take(3)
        .map(|event| event.expect("no gap").key().to_string())
        .collect()
        .await;
    assert_eq!(keys, ["s3.state_change", "s1.state_change", "test.tick"]);
    bus.shutdown(Duration::from_secs(1)).await;
    assert!(none.recv().await.is_none(), "a pattern subscription ends");
}

#[tokio::test]
async fn a_bad_pattern_is_a_clear_error() {
    let error = Bus::local().subscribe_pattern("a.**").expect_err("no word");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("\"**\""), "{error}");
}

#[tokio::test]
async fn a_bad_key_is_a_clear_error_and_nobody_gets_the_event() {
    struct Long;
    impl Event for Long {
        const NAME: &'static str = "test.long";
        fn key(&self) -> Result<Key, KeyError> {
            Key::new("k".repeat(256))
        }
    }
    let bus = Bus::local();
    let subscription = bus.subscribe::<Long>();
    let error = bus.publish(Long).await.expect_err("256 bytes");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let text = error.to_string();
    assert!(text.contains("test.long") && text.contains("255"), "{text}");
    assert_eq!(subscription.unread(), 0);
    assert_eq!(bus.counts().refused, 1);
    assert_eq!(bus.counts().published, 0);
}

#[tokio::test]
async fn the_metadata_says_who_when_and_why() {
    let bus = Bus::builder().source("s1.web").build().expect("no mirror");
    let mut ticks = bus.subscribe::<Tick>();
    bus.publish(Tick::new(1)).await.expect("open");
    let first = ticks.recv().await.expect("open").expect("no gap");
    let metadata = first.metadata();
    assert_eq!(&*metadata.source, "s1.web");
    assert_eq!(metadata.origin, Some(bus.id()));
    assert_eq!((metadata.name.as_str(), metadata.version), ("test.tick", 1));
    assert_eq!(metadata.correlation, CorrelationId::from(first.id()));
    assert_eq!(metadata.causation, None);

    let options = PublishOptions::new()
        .correlation(CorrelationId::from_text("order 7"))
        .cause(first.cause());
    bus.publish_with(Tick::new(2), options).await.expect("open");
    let second = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!(second.metadata().correlation.to_string(), "order 7");
    assert_eq!(second.metadata().causation, Some(first.id()));
}

#[tokio::test]
async fn an_expired_event_is_not_delivered_and_is_counted() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let past = PublishOptions::new().ttl(Duration::ZERO);
    bus.publish_with(Tick::new(1), past).await.expect("open");
    let later = PublishOptions::new().ttl(Duration::from_secs(3600));
    bus.publish_with(Tick::new(2), later).await.expect("open");
    let event = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!(event.number, 2);
    assert_eq!(bus.counts().expired, 1);
}

/// 8 publishers, 32 subscribers, and nothing is lost, doubled, or out of a publisher's order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_per_publisher_and_nothing_is_lost() {
    const PUBLISHERS: u32 = 8;
    const SUBSCRIBERS: usize = 32;
    const EVENTS: u64 = 1000;
    let bus = Bus::local();
    let readers: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let mut subscription = bus.subscribe_with::<Tick>(Buffer::block(64));
            tokio::spawn(async move {
                let mut next = [0_u64; PUBLISHERS as usize];
                while let Some(event) = subscription.recv().await {
                    let event = event.expect("Block loses nothing");
                    let next = &mut next[event.publisher as usize];
                    assert_eq!(event.number, *next, "publisher {}", event.publisher);
                    *next += 1;
                }
                next
            })
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for number in 0..EVENTS {
                    let receipt = bus.publish(Tick { publisher, number }).await;
                    assert_eq!(
                        receipt.expect("open").local().subscribers,
                        SUBSCRIBERS as u64
                    );
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("no panic");
    }
    bus.shutdown(Duration::from_secs(10)).await;
    for reader in readers {
        assert_eq!(
            reader.await.expect("no panic"),
            [EVENTS; PUBLISHERS as usize]
        );
    }
    let counts = bus.counts();
    assert_eq!(
        counts.delivered,
        u64::from(PUBLISHERS) * EVENTS * SUBSCRIBERS as u64
    );
    assert_eq!((counts.dropped, counts.undelivered), (0, 0));
}

/// Subscriptions come and go while events flow; those that stay miss nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_and_going_disturbs_nobody() {
    let bus = Bus::local();
    let mut steady = bus.subscribe_with::<Tick>(Buffer::block(16));
    let churn = {
        let bus = bus.clone();
        tokio::spawn(async move {
            for round in 0..3000 {
                let mut one = bus.subscribe_with::<Tick>(Buffer::block(1));
                if round % 3 == 0 {
                    let _ = tokio::time::timeout(Duration::from_micros(50), one.recv()).await;
                }
            }
        })
    };
    let publisher = {
        let bus = bus.clone();
        tokio::spawn(async move {
            let mut number = 0;
            while !churn.is_finished() {
                bus.publish(Tick::new(number)).await.expect("open");
                number += 1;
            }
            churn.await.expect("no panic");
            bus.shutdown(Duration::from_secs(5)).await;
            number
        })
    };
    let mut seen = 0;
    while let Some(event) = steady.recv().await {
        assert_eq!(event.expect("Block loses nothing").number, seen);
        seen += 1;
    }
    assert_eq!(seen, publisher.await.expect("no panic"));
}

/// One that comes late, and asks for the last events, while others publish: behind those it gets the
/// next, whatever its policy.
#[test]
fn nothing_is_missing_between_the_retained_events_and_the_next() {
    struct Kept(u64);

    impl Event for Kept {
        const NAME: &'static str = "test.kept";
        const RETAINED: usize = 4;
    }

    for buffer in [
        Buffer::block(1 << 16),
        Buffer::drop_oldest(1 << 16),
        Buffer::drop_newest(1 << 16),
        Buffer::error(1 << 16),
    ] {
        let bus = Bus::local();
        let stop = AtomicBool::new(false);
        let holes = std::thread::scope(|scope| {
            scope.spawn(|| {
                let numbers = (0..).take_while(|_| !stop.load(SeqCst));
                for number in numbers {
                    // A full one is left soon.
                    while !matches!(bus.publish(Kept(number)).now_or_never(), Some(Ok(_))) {}
                }
            });
            let start = Instant::now();
            let mut holes = 0;
            while start.elapsed() < Duration::from_millis(200) {
                let mut late = bus.subscribe_retained::<Kept>(buffer);
                let mut seen = Vec::new();
                while seen.len() < 8 && start.elapsed() < Duration::from_secs(10) {
                    if let Some(item) = late.recv().now_or_never() {
                        seen.extend(item.expect("open").map(|event| event.0));
                    }
                }
                holes += seen.windows(2).filter(|two| two[1] != two[0] + 1).count();
            }
            stop.store(true, SeqCst);
            holes
        });
        assert_eq!(holes, 0, "{buffer:?}");
        bus.books().assert_balanced();
    }
}

/// An id says when it was made, also that of an event that nobody got.
#[test]
fn the_id_of_an_unheard_event_is_of_its_time() {
    let bus = Bus::local();
    let publish = || bus.publish(Tick::new(0)).now_or_never();
    publish().expect("ready").expect("open");
    std::thread::sleep(Duration::from_millis(50));
    let before = EventId::new();
    std::thread::sleep(Duration::from_millis(2));
    let receipt = publish().expect("ready").expect("open");
    assert!(
        receipt.id() > before,
        "ids sort by the time of their making"
    );
}

/// A task that never waits, and publishes now with tokio's budget and now without, gives way to others.
#[tokio::test]
async fn a_task_that_is_unconstrained_in_part_gives_way() {
    let bus = Bus::local();
    let turns = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            tokio::task::yield_now().await;
            counted.fetch_add(1, SeqCst);
        }
    });
    let busy = tokio::spawn(async move {
        for number in 0..50_000 {
            let publish = bus.publish(Tick::new(number));
            publish.await.expect("open");
            let publish = tokio::task::unconstrained(bus.publish(Tick::new(number)));
            publish.await.expect("open");
        }
    });
    busy.await.expect("no panic");
    other.abort();
    assert!(turns.load(SeqCst) > 10);
}
