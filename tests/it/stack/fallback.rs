use std::time::Duration;

use algedonic::{
    Buffer, Bus, Event, Key, KeyError, LinkState, LocalOnly, Mirror, PublishFailed, Remote,
    memory::Broker,
};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::flaky::{CONFIRM, Flaky, LOSE, REFUSE};
use crate::{
    events::Tick,
    mirror::{bus, link_is},
    patience::within,
};

/// Requirement 0.15 and FB-7: up to three retries, then the event is with the local bus, once, and one event says that it has
/// failed.
#[tokio::test(start_paused = true)]
async fn what_fails_is_local_once_and_makes_one_report() {
    let transport = Flaky::new([
        CONFIRM, REFUSE, REFUSE, REFUSE, REFUSE, LOSE, REFUSE, REFUSE, CONFIRM,
    ]);
    let here = transport.bus(Mirror::report_failures);
    let mut ticks = here.subscribe::<Tick>();
    let mut failures = here.subscribe::<PublishFailed>();
    let mut ids = Vec::new();
    for number in 0..4 {
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        ids.push(receipt.id());
        let remote = within("the outcome", receipt.remote()).await;
        // The fifth failure in a row opens the breaker: the third event is in doubt, and the fourth stays.
        let wanted = match number {
            0 => matches!(remote, Remote::Confirmed),
            2 => matches!(remote, Remote::Unknown { .. }),
            _ => matches!(remote, Remote::LocalOnly(LocalOnly::Away(_))),
        };
        assert!(wanted, "{number}: {remote}");
    }
    assert_eq!(transport.calls(), 1 + 4 + 1);
    for number in 0..4 {
        assert_eq!(
            ticks.recv().await.expect("open").expect("no gap").number,
            number
        );
    }
    for id in &ids[1..] {
        let failed = failures.recv().await.expect("open").expect("no gap");
        assert_eq!((failed.id, failed.name.as_str()), (*id, Tick::NAME));
        assert_eq!(failed.metadata().causation, Some(*id));
        assert!(!failed.remote.is_confirmed());
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!((ticks.unread(), failures.unread()), (0, 0));
}

/// Nobody asked for reports: there are none, and the books know of no such type.
#[tokio::test(start_paused = true)]
async fn without_being_asked_nothing_is_reported() {
    let here = Flaky::new([REFUSE]).bus(|mirror| mirror);
    let receipt = here.publish(Tick::new(0)).await.expect("open");
    assert!(
        within("the outcome", receipt.remote())
            .await
            .is_local_only()
    );
    assert!(here.books().of(PublishFailed::NAME).is_none());
}

/// A subscriber of reports that is full and would have publishers wait holds up nothing.
#[tokio::test(start_paused = true)]
async fn a_report_waits_for_nobody() {
    let transport = Flaky::new([REFUSE]);
    let here = transport.bus(Mirror::report_failures);
    let failures = here.subscribe_with::<PublishFailed>(Buffer::block(2));
    for number in 0..10 {
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        assert!(
            within("the outcome", receipt.remote())
                .await
                .is_local_only()
        );
    }
    assert_eq!((failures.unread(), here.counts().undelivered), (2, 8));
}

/// An event under the name that it has locally, and under the key that it has on the exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct S3StateChange {
    new_state: String,
}

impl Event for S3StateChange {
    const NAME: &'static str = "vsm_s3_state_change";
    const KEYS: &'static str = "s3.state_change";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(Self::KEYS)
    }
}

/// Requirement 0.17: without a transport, and with the broker away, everything goes local, under its name there.
#[tokio::test(start_paused = true)]
async fn everything_goes_local_under_its_local_name() {
    let broker = Broker::new();
    broker.stop();
    let mirror = || Mirror::new(broker.transport("here")).event::<S3StateChange>();
    let away = Bus::builder().mirror(mirror()).build().expect("good");
    for here in [Bus::local(), away] {
        let mut changes = here.subscribe::<S3StateChange>();
        let change = S3StateChange {
            new_state: "executing".into(),
        };
        let receipt = here.publish(change.clone()).await.expect("open");
        let remote = within("the outcome", receipt.remote()).await;
        assert!(remote.is_local_only(), "{remote}");
        let came = changes.recv().await.expect("open").expect("no gap");
        assert_eq!(*came, change);
        assert_eq!(came.metadata().name, "vsm_s3_state_change");
        assert_eq!(came.metadata().key, "s3.state_change");
        let books = here.books();
        assert_eq!(
            books
                .of("vsm_s3_state_change")
                .expect("published")
                .published,
            1
        );
    }
}

/// Requirement 1.15: what is published inside the breaker carries the ids of its cause, over retries, too.
#[tokio::test]
async fn a_cause_travels_through_the_stack() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let mut theirs = there.subscribe::<crate::events::StateChange>();
    let handler = here.on::<Tick>().handle({
        let here = here.clone();
        move |_| {
            let here = here.clone();
            async move {
                let change = crate::events::StateChange::of("s3");
                here.publish(change).await.map(|_| ())
            }
        }
    });
    // Its first attempt is in doubt; what is sent again is the same.
    let mut ticks = here.subscribe::<Tick>();
    let cause = broker_tick(&there).await;
    broker.lose_confirms(1);
    within("the cause", ticks.recv())
        .await
        .expect("open")
        .expect("no gap");
    let came = within("the effect", theirs.recv()).await;
    let came = came.expect("open").expect("no gap");
    assert_eq!(came.metadata().causation, Some(cause));
    drop(handler);
}

async fn broker_tick(there: &Bus) -> algedonic::EventId {
    let receipt = there.publish(Tick::new(1)).await.expect("open");
    receipt.id()
}
