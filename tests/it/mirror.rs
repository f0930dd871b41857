use std::time::Duration;

use algedonic::{
    Buffer, Bus, ErrorKind, Event, EventId, Key, KeyError, Level, LinkState, LocalOnly, Metadata,
    Mirror, Remote, Signal, Status,
    memory::Broker,
    transport::{Lane, Message, Transport},
};
use futures_util::future::join_all;

use crate::{
    events::{StateChange, Tick},
    patience::{until, within},
};

/// A bus that mirrors the test's events over this broker under this name.
pub(crate) fn bus(broker: &Broker, name: &str) -> Bus {
    let mirror = Mirror::new(broker.transport(name))
        .event::<Tick>()
        .event::<StateChange>();
    Bus::builder()
        .source(name.to_owned())
        .mirror(mirror)
        .build()
        .expect("a good configuration")
}

/// Waits for the mirror's link to be in this state.
pub(crate) async fn link_is(bus: &Bus, state: LinkState) {
    let mut links = bus.links();
    while links.next().await.expect("the link is not closed").state != state {}
}

#[tokio::test]
async fn an_event_crosses_to_the_other_bus_with_its_metadata() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let mut echoes = here.subscribe::<StateChange>();
    let mut changes = there.subscribe::<StateChange>();
    let change = StateChange::of("s3");
    let receipt = here.publish(change.clone()).await.expect("open");
    assert_eq!(receipt.local().subscribers, 1);
    let id = receipt.id();
    assert!(receipt.remote().await.is_confirmed());

    let arrived = changes.recv().await.expect("open").expect("no gap");
    assert_eq!((*arrived).clone(), change);
    let metadata = arrived.metadata();
    assert_eq!((arrived.id(), &*metadata.source), (id, "here"));
    assert_eq!(metadata.origin, Some(here.id()));
    assert_eq!(metadata.key, "s3.state_change");
    assert_eq!(metadata.correlation, id.into());

    // Once here, however often it comes back from the broker.
    until("the echo", || here.counts().echoes == 1).await;
    assert!(echoes.recv().await.expect("open").is_ok());
    assert_eq!(echoes.unread(), 0);
    assert_eq!(there.counts().received, 1);
}

#[tokio::test]
async fn a_signal_crosses_on_its_own_lane_and_is_confirmed() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let mut signals = there.signals();
    let pain = Signal::pain(Level::Critical, "response_time").measured(5000.0, 1000.0);
    let receipt = here.signal(pain).await.expect("open");
    assert!(receipt.remote().await.is_confirmed());
    let signal = signals.recv().await.expect("open").expect("no gap");
    assert_eq!((signal.level, &*signal.source), (Level::Critical, "here"));
    assert_eq!(signal.metadata().priority.get(), 10);
}

/// What hurts gets through while events stand still: unread, unsettled, and more of them waiting.
#[tokio::test]
async fn a_signal_passes_events_that_nobody_reads_there() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let _unread = there.subscribe_with::<Tick>(Buffer::block(1));
    let mut signals = there.signals();
    for number in 0..500 {
        here.publish(Tick::new(number)).await.expect("open");
    }
    here.signal(Signal::pain(Level::High, "stuck"))
        .await
        .expect("open");
    let signal = signals.recv().await.expect("open").expect("no gap");
    assert_eq!(signal.metric, "stuck");
}

#[tokio::test]
async fn without_a_broker_everything_is_local_and_the_receipt_says_so() {
    let broker = Broker::new();
    broker.stop();
    let here = bus(&broker, "here");
    let mut ticks = here.subscribe::<Tick>();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    match receipt.remote().await {
        Remote::LocalOnly(LocalOnly::Away(error)) => assert!(error.is_transient()),
        other => panic!("{other}"),
    }
    assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 1);
    let signal = here
        .signal(Signal::pain(Level::Low, "m"))
        .await
        .expect("open");
    assert!(signal.remote().await.is_local_only());
    let health = here.health();
    assert_eq!(health.status, Status::Degraded);
    assert!(health.to_string().contains("down"), "{health}");

    broker.start();
    link_is(&here, LinkState::Up).await;
    assert_eq!(here.health().status, Status::Healthy);
    let receipt = here.publish(Tick::new(2)).await.expect("open");
    assert!(receipt.remote().await.is_confirmed());
    assert_eq!(here.counts().local_only, 2);
}

#[tokio::test]
async fn every_outcome_has_its_name() {
    let broker = Broker::new();
    let outbound = Mirror::new(broker.transport("here")).outbound::<Tick>();
    // Signals have outcomes, too, and here only what is published counts.
    let here = Bus::builder()
        .mirror(outbound.without_alarms())
        .build()
        .expect("good");
    link_is(&here, LinkState::Up).await;
    let remote = async |bus: &Bus| {
        let receipt = bus.publish(Tick::new(0)).await.expect("open");
        receipt.remote().await
    };
    assert!(matches!(remote(&here).await, Remote::Unroutable));
    let there = bus(&broker, "there");
    link_is(&there, LinkState::Up).await;
    assert!(remote(&here).await.is_confirmed());
    broker.reject_next(1);
    assert!(matches!(remote(&here).await, Remote::Rejected { .. }));
    // The first attempt and three more: what may have left is sent again, with the same id.
    broker.lose_confirms(4);
    assert!(matches!(remote(&here).await, Remote::Unknown { .. }));
    broker.block();
    link_is(&here, LinkState::Blocked).await;
    assert!(remote(&here).await.is_local_only());
    broker.unblock();
    let counts = here.counts();
    assert_eq!(
        (
            counts.confirmed,
            counts.unroutable,
            counts.rejected,
            counts.unknown,
            counts.local_only
        ),
        (1, 1, 1, 1, 1)
    );
    // What is not registered stays, and is not counted as a failure of the mirror.
    let receipt = here.publish(StateChange::of("s1")).await.expect("open");
    let remote = receipt.remote().await;
    assert!(matches!(remote, Remote::LocalOnly(LocalOnly::NotMirrored)));
    assert_eq!(here.counts().local_only, 1);
}

#[tokio::test(start_paused = true)]
async fn a_confirm_that_never_comes_resolves_by_the_deadline() {
    let broker = Broker::new();
    let (here, _there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    let start = tokio::time::Instant::now();
    assert!(matches!(receipt.remote().await, Remote::Unknown { .. }));
    assert!(
        start.elapsed() <= Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn publishing_never_waits_for_the_mirror() {
    let broker = Broker::new();
    let mirror = Mirror::new(broker.transport("here"))
        .event::<Tick>()
        .outbound_capacity(16);
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipts: Vec<_> = {
        let publishes = (0..2000).map(|number| here.publish(Tick::new(number)));
        join_all(publishes).await
    };
    broker.release_confirms();
    let remotes = join_all(receipts.into_iter().map(|r| r.expect("open").remote())).await;
    let full = |remote: &&Remote| matches!(remote, Remote::LocalOnly(LocalOnly::QueueFull));
    let full = remotes.iter().filter(full).count();
    let confirmed = remotes
        .iter()
        .filter(|remote| remote.is_confirmed())
        .count();
    assert!(
        full > 0 && confirmed > 0,
        "{full} full, {confirmed} confirmed"
    );
    assert_eq!(full + confirmed, 2000);
}

/// Ids that other systems count up, in two applications or again after a restart.
#[tokio::test]
async fn an_id_that_two_messages_of_other_systems_share_costs_neither() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    link_is(&there, LinkState::Up).await;
    let mut ticks = there.subscribe::<Tick>();
    let foreign = broker.transport("foreign");
    for id in [
        EventId::from_foreign("1"),
        EventId::from_u128(0),
        EventId::from_u128(u128::MAX),
    ] {
        for number in [1, 2, 2] {
            let mut metadata = Metadata::new(Key::from_static(Tick::NAME), "counter");
            metadata.id = id;
            let mut body = Vec::new();
            ciborium::into_writer(&Tick::new(number), &mut body).expect("encoded");
            let message = Message::new(metadata, Lane::Event, "application/cbor", body);
            foreign.send(message).await.expect("sent");
        }
        for number in [1, 2] {
            let tick = within("a tick", ticks.recv()).await;
            let tick = tick.expect("open").expect("no gap");
            assert_eq!((tick.id(), tick.number), (id, number));
        }
    }
    // The same once more is a repetition all the same.
    until("the repetitions", || there.counts().duplicates == 3).await;
    assert_eq!(ticks.unread(), 0);
}

#[tokio::test]
async fn what_arrives_twice_is_delivered_once() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let mut ticks = there.subscribe::<Tick>();
    broker.deliver_twice(50);
    let receipts = join_all((0..100).map(|number| here.publish(Tick::new(number)))).await;
    join_all(
        receipts
            .into_iter()
            .map(|receipt| receipt.expect("open").remote()),
    )
    .await;
    for number in 0..100 {
        assert_eq!(
            ticks.recv().await.expect("open").expect("no gap").number,
            number
        );
    }
    until("the repetitions", || there.counts().duplicates == 50).await;
    assert_eq!((ticks.unread(), there.counts().received), (0, 100));
}

/// A message as another program might send it.
fn foreign(name: &str, content_type: &'static str, body: &'static [u8]) -> Message {
    let mut metadata = Metadata::new(Key::new(name).expect("a key"), "foreign");
    metadata.key = Key::from_static("test.tick");
    Message::new(metadata, Lane::Event, content_type, body)
}

#[tokio::test]
async fn bad_input_is_dead_lettered_and_stops_nothing() {
    let broker = Broker::new();
    let there = bus(&broker, "there");
    let mut ticks = there.subscribe::<Tick>();
    link_is(&there, LinkState::Up).await;
    let other = broker.transport("foreign");
    until("the link", || other.link().is_up()).await;
    let good = b"\xa2\x69publisher\x00\x66number\x07";
    let mut newer = foreign("test.tick", "application/cbor", good);
    newer.metadata.version = 2;
    for bad in [
        foreign("test.tick", "application/cbor", b"\xff garbage"),
        foreign("test.tick", "application/cbor", b"\xa1\x66number\x07"),
        foreign(
            "test.tick",
            "application/json",
            b"{\"publisher\":0,\"number\":7}",
        ),
        foreign("test.unheard_of", "application/cbor", good),
        newer,
    ] {
        other.send(bad).await.expect("sent");
    }
    other
        .send(foreign("test.tick", "application/cbor; v=1", good))
        .await
        .expect("sent");
    assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 7);
    let counts = there.counts();
    assert_eq!((counts.malformed, counts.unknown_type), (3, 2));
    assert_eq!(broker.dead_letters("there").len(), 5);
}

#[tokio::test]
async fn a_key_outside_the_declared_pattern_is_an_error_of_the_publisher() {
    struct Stray;
    impl Event for Stray {
        const NAME: &'static str = "test.stray";
        fn key(&self) -> Result<Key, KeyError> {
            Key::new("elsewhere")
        }
    }
    impl serde::Serialize for Stray {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_unit()
        }
    }
    let mirror = Mirror::new(Broker::new().transport("here")).outbound::<Stray>();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let error = here
        .publish(Stray)
        .await
        .expect_err("receivers would miss it");
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("KEYS"), "{error}");
}

#[tokio::test]
async fn a_shutdown_sends_what_is_queued_and_reports_the_rest() {
    let broker = Broker::new();
    let (here, there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&there, LinkState::Up).await;
    let receipts = join_all((0..1000).map(|number| here.publish(Tick::new(number)))).await;
    let report = here.shutdown(Duration::from_secs(10)).await;
    assert!(report.is_clean(), "{report}");
    for receipt in receipts {
        assert!(receipt.expect("open").remote().await.is_confirmed());
    }
    until("the events", || there.counts().received == 1000).await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_with_a_silent_broker_ends_by_its_deadline() {
    let broker = Broker::new();
    let (here, _there) = (bus(&broker, "here"), bus(&broker, "there"));
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipts = join_all((0..2000).map(|number| here.publish(Tick::new(number)))).await;
    let start = tokio::time::Instant::now();
    let report = here.shutdown(Duration::from_secs(2)).await;
    assert!(
        start.elapsed() <= Duration::from_millis(2100),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(report.unsent + report.unknown, 2000, "{report}");
    assert!(report.unknown >= 512 && report.unsent > 0, "{report}");
    for receipt in receipts {
        assert!(!receipt.expect("open").remote().await.is_confirmed());
    }
}

#[tokio::test]
async fn a_dropped_bus_resolves_its_receipts_and_lets_go_of_the_transport() {
    let broker = Broker::new();
    let here = bus(&broker, "here");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    drop(here);
    let remote = tokio::time::timeout(Duration::from_secs(5), receipt.remote()).await;
    assert!(!remote.expect("resolves").is_confirmed());
    let metrics = tokio::runtime::Handle::current().metrics();
    until("the tasks to end", || metrics.num_alive_tasks() == 0).await;
}

#[test]
fn a_mirror_outside_of_a_runtime_is_a_clear_error() {
    let mirror = Mirror::new(Broker::new().transport("here"));
    let error = Bus::builder()
        .mirror(mirror)
        .build()
        .expect_err("no runtime");
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}

#[test]
fn a_bus_whose_runtime_has_ended_is_local_and_says_so() {
    let broker = Broker::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    let here = first.block_on(async {
        let here = bus(&broker, "here");
        link_is(&here, LinkState::Up).await;
        here
    });
    drop(first);
    runtime().block_on(async {
        let mut ticks = here.subscribe::<Tick>();
        let receipt = here.publish(Tick::new(1)).await.expect("open");
        assert!(
            within("the outcome", receipt.remote())
                .await
                .is_local_only()
        );
        assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 1);
        let health = here.health();
        assert_eq!(health.status, Status::Degraded);
        assert!(health.to_string().contains("runtime"), "{health}");
    });
}
