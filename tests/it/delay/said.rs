use std::time::SystemTime;

use algedonic::{
    Buffer, Bus, Cause, CorrelationId, ErrorKind, Event, Key, KeyError, PublishOptions,
};

use super::{assert_balanced, ms, read, turns};
use crate::events::{StateChange, Tick};

/// It is published when it is due, because of what caused it to be scheduled.
#[tokio::test(start_paused = true)]
async fn the_cause_is_that_of_the_call_and_the_time_that_of_the_publish() {
    let bus = Bus::local();
    let mut ticks = bus.subscribe::<Tick>();
    let mut changes = bus.subscribe::<StateChange>();
    bus.publish(Tick::new(0)).await.expect("open");
    let first = ticks.recv().await.expect("open").expect("no gap");
    let (one, two) = first
        .cause()
        .scope(async {
            assert!(Cause::current().is_some());
            let options = PublishOptions::new()
                .correlation(CorrelationId::from_text("talk"))
                .ttl(ms(60_000));
            let one = bus.publish_after(ms(10), Tick::new(1)).expect("open");
            let two = bus
                .publish_after_with(ms(20), StateChange::of("s3"), options)
                .expect("open");
            (one, two)
        })
        .await;
    let scheduled = SystemTime::now();
    // The wall clock is not paused.
    std::thread::sleep(ms(20));
    let receipt = one.await.expect("published");
    two.await.expect("published");
    let tick = ticks.recv().await.expect("open").expect("no gap");
    let metadata = tick.metadata();
    assert_eq!(metadata.id, receipt.id());
    assert_eq!(metadata.causation, Some(first.id()));
    assert_eq!(metadata.correlation, first.metadata().correlation);
    assert!(tick.time() >= scheduled + ms(20));
    let change = changes.recv().await.expect("open").expect("no gap");
    let metadata = change.metadata();
    assert_eq!(*metadata.key, *"s3.state_change");
    assert_eq!(metadata.correlation, CorrelationId::from_text("talk"));
    assert_eq!(metadata.causation, Some(first.id()));
    // A time to live begins when it is published.
    assert_eq!(metadata.expires, Some(change.time() + ms(60_000)));
    // Nobody else's cause comes with it.
    let plain = bus.publish_after(ms(10), Tick::new(2)).expect("open");
    first.cause().scope(plain).await.expect("published");
    let tick = ticks.recv().await.expect("open").expect("no gap");
    assert_eq!(tick.metadata().causation, None);
}

/// What is wrong with an event is said at once.
#[tokio::test(start_paused = true)]
async fn a_bad_key_is_refused_by_the_call() {
    struct Nameless;
    impl Event for Nameless {
        const NAME: &'static str = "test.nameless";
        fn key(&self) -> Result<Key, KeyError> {
            Key::new("not a key")
        }
    }
    let bus = Bus::local();
    let refused = bus.publish_after(ms(10), Nameless).expect_err("no key");
    assert_eq!(refused.kind(), ErrorKind::Malformed);
    assert_eq!((bus.counts().refused, bus.counts().delayed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_when_it_is_due_says_so() {
    let bus = Bus::local();
    let mut strict = bus.subscribe_with::<Tick>(Buffer::error(1));
    let ok = bus.publish_after(ms(10), Tick::new(1)).expect("open");
    let refused = bus.publish_after(ms(20), Tick::new(2)).expect("open");
    bus.publish_after(ms(20), Tick::new(3))
        .expect("open")
        .detach();
    ok.await.expect("room");
    assert_eq!(refused.await.expect_err("full").kind(), ErrorKind::Busy);
    turns().await;
    assert_eq!(read(&mut strict, |tick| tick.number), [1]);
    let counts = bus.counts();
    assert_eq!((counts.delayed_published, counts.delayed_refused), (1, 2));
    assert_eq!(counts.refused, 2);
    assert_balanced(&bus);
}
