use std::time::{Duration, SystemTime};

use algedonic::{
    Bus, CorrelationId, ErrorKind, Key, Level, LinkState, LocalOnly, Metadata, Mirror, Priority,
    PublishOptions, Remote, Signal, Status, TraceContext, Verdict,
    amqp::{Amqp, AmqpConfig, QueueType},
    transport::{Lane, Message, Transport},
};
use algedonic_test_broker::{Node, shared_url, unique};

use crate::{
    events::{StateChange, Tick},
    patience::{until, within},
};

pub(crate) fn config(url: &str, prefix: &str, queue: &str) -> AmqpConfig {
    AmqpConfig::new(url)
        .expect("a good address")
        .prefix(prefix)
        .queue(queue)
        .max_backoff(Duration::from_secs(1))
}

/// A bus that mirrors the test's events both ways.
pub(crate) fn bus(config: AmqpConfig) -> Bus {
    bus_of(mirror(config))
}

pub(crate) fn mirror(config: AmqpConfig) -> Mirror {
    Mirror::new(Amqp::new(config).expect("a good configuration"))
        .event::<Tick>()
        .event::<StateChange>()
}

pub(crate) fn bus_of(mirror: Mirror) -> Bus {
    Bus::builder()
        .source("test")
        .mirror(mirror)
        .build()
        .expect("a good configuration")
}

pub(crate) async fn link_is(bus: &Bus, state: LinkState) {
    let mut links = bus.links();
    within(
        &format!("the link to be {state}: {}", bus.health()),
        async { while links.next().await.expect("the link is not closed").state != state {} },
    )
    .await;
}

/// Two buses of one system on the shared broker, both up.
async fn two() -> (Bus, Bus, String) {
    let prefix = unique("it");
    let [here, there] = ["here", "there"].map(|name| bus(config(&shared_url(), &prefix, name)));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    (here, there, prefix)
}

/// Requirements 0.06, 0.07, 4.12.
#[tokio::test]
async fn an_event_crosses_rabbitmq_with_all_its_metadata() {
    let (here, there, _) = two().await;
    let mut changes = there.subscribe::<StateChange>();
    let trace = TraceContext {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        state: Some("a=b".into()),
    };
    let options = PublishOptions::new()
        .correlation(CorrelationId::from_text("order 7"))
        .priority(Priority::new(3))
        .ttl(Duration::from_secs(600))
        .trace(trace);
    let mut local = here.subscribe::<StateChange>();
    let receipt = here
        .publish_with(StateChange::of("s3"), options)
        .await
        .expect("open");
    assert!(within("the confirm", receipt.remote()).await.is_confirmed());
    let sent = local.recv().await.expect("open").expect("no gap");
    let came = within("the event", changes.recv()).await;
    let came = came.expect("open").expect("no gap");
    assert_eq!(*came, *sent);

    let round = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970")
    };
    // On the wire, times are exact to the microsecond, and the end of life to the millisecond.
    let (mut was, mut is) = (sent.metadata().clone(), came.metadata().clone());
    assert_eq!(round(was.time).as_micros(), round(is.time).as_micros());
    let (end, came_end) = (was.expires.expect("set"), is.expires.expect("carried"));
    assert_eq!(round(end).as_millis(), round(came_end).as_millis());
    (was.time, was.expires) = (is.time, is.expires);
    assert_eq!(is, was);
    is.origin = None;
    assert_ne!(is, was, "the origin travels, too");
}

#[tokio::test]
async fn a_signal_crosses_rabbitmq_and_is_confirmed() {
    let (here, there, _) = two().await;
    let mut signals = there.signals();
    for level in [Level::Low, Level::Medium, Level::High, Level::Critical] {
        let pain = Signal::pain(level, "response_time").measured(5000.0, 1000.0);
        let receipt = here.signal(pain).await.expect("open");
        assert!(within("the confirm", receipt.remote()).await.is_confirmed());
        let signal = within("the signal", signals.recv()).await;
        let signal = signal.expect("open").expect("no gap");
        assert_eq!((signal.level, signal.value), (level, Some(5000.0)));
        assert_eq!(signal.metadata().priority, level.priority());
    }
    until("the echoes", || here.counts().echoes == 4).await;
    assert_eq!(here.counts().received, 0, "own echoes are dropped");
}

#[tokio::test]
async fn two_thousand_events_arrive_once_and_in_order() {
    let (here, there, _) = two().await;
    let mut ticks = there.subscribe_with::<Tick>(algedonic::Buffer::block(64));
    let mut receipts = Vec::new();
    for number in 0..2000 {
        receipts.push(here.publish(Tick::new(number)).await);
    }
    let reader = async {
        for number in 0..2000 {
            let tick = ticks.recv().await.expect("open").expect("no gap");
            assert_eq!(tick.number, number);
        }
    };
    let confirms = async {
        for receipt in receipts {
            assert!(receipt.expect("open").remote().await.is_confirmed());
        }
    };
    within("events and confirms", async {
        tokio::join!(reader, confirms)
    })
    .await;
    assert_eq!(there.counts().received, 2000);
    let report = here.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test]
async fn what_nobody_wants_is_unroutable() {
    let config = config(&shared_url(), &unique("it"), "here");
    let mirror = Mirror::new(Amqp::new(config).expect("good")).outbound::<Tick>();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    let remote = within("the outcome", receipt.remote()).await;
    assert!(matches!(remote, Remote::Unroutable), "{remote}");
}

/// A bus that was away gets what was confirmed meanwhile (requirements 2.02, 2.15).
#[tokio::test]
async fn events_wait_for_a_named_queue_s_owner() {
    let (here, there, prefix) = two().await;
    there.shutdown(Duration::from_secs(5)).await;
    let receipt = here.publish(Tick::new(7)).await.expect("open");
    let remote = within("the confirm", receipt.remote()).await;
    assert!(remote.is_confirmed(), "{remote}");
    drop(there);
    // The subscription is there before the mirror is up: what waits comes at once.
    let again = bus(config(&shared_url(), &prefix, "there"));
    let mut ticks = again.subscribe::<Tick>();
    let tick = within("the event that waited", ticks.recv()).await;
    assert_eq!(tick.expect("open").expect("no gap").number, 7);
}

/// A message as another program might send it.
fn foreign(name: &str, content_type: &'static str, body: &'static [u8]) -> Message {
    let mut metadata = Metadata::new(Key::new(name).expect("a key"), "foreign");
    metadata.key = Key::from_static("test.tick");
    Message::new(metadata, Lane::Event, content_type, body)
}

#[tokio::test]
async fn bad_input_stops_nothing() {
    let prefix = unique("it");
    let there = bus(config(&shared_url(), &prefix, "there"));
    let mut ticks = there.subscribe::<Tick>();
    link_is(&there, LinkState::Up).await;
    let sender = Amqp::new(config(&shared_url(), &prefix, "foreign")).expect("good");
    within("the sender's link", async {
        let mut links = sender.links();
        while !futures_util::StreamExt::next(&mut links)
            .await
            .expect("open")
            .is_up()
        {}
    })
    .await;
    let good = b"\xa2\x69publisher\x00\x66number\x07";
    let mut newer = foreign("test.tick", "application/cbor", good);
    newer.metadata.version = 99;
    for bad in [
        foreign("test.tick", "application/cbor", b"\xff garbage"),
        foreign("test.tick", "application/json", b"{}"),
        foreign("test.unheard_of", "application/cbor", good),
        newer,
        foreign("test.tick", "application/cbor", good),
    ] {
        let outcome = within("the outcome", sender.send(bad)).await;
        assert_eq!(
            outcome.expect("sent"),
            algedonic::transport::Outcome::Confirmed
        );
    }
    let tick = within("the good one", ticks.recv()).await;
    assert_eq!(tick.expect("open").expect("no gap").number, 7);
    let counts = there.counts();
    assert_eq!((counts.malformed, counts.unknown_type), (2, 2));
    assert!(
        there.health().to_string().contains("up"),
        "{}",
        there.health()
    );
}

#[tokio::test]
async fn a_wrong_password_is_said_and_stops_nothing() {
    const CANARY: &str = "canary-of-the-test";
    let (rest, host) = shared_url()
        .rsplit_once('@')
        .map(|(rest, host)| (rest.to_owned(), host.to_owned()))
        .expect("an address with credentials");
    let (user, _) = rest.rsplit_once(':').expect("a user");
    let config = config(&format!("{user}:{CANARY}@{host}"), &unique("it"), "here");
    let here = bus(config);
    let mut ticks = here.subscribe::<Tick>();
    let mut links = here.links();
    let link = within("the refusal", async {
        loop {
            let link = links.next().await.expect("open");
            if link.error.is_some() {
                return link;
            }
        }
    })
    .await;
    let error = link.error.clone().expect("said");
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Denied, Verdict::Permanent)
    );
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    let remote = receipt.remote().await;
    assert!(
        matches!(&remote, Remote::LocalOnly(LocalOnly::Away(_))),
        "{remote}"
    );
    assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 1);
    let health = here.health();
    assert_eq!(health.status, Status::Degraded);
    let said = format!("{link:?} {link} {error:#} {remote:?} {health:?} {health} {here:?}");
    assert!(!said.contains(CANARY), "{said}");
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_said_and_stops_nothing() {
    let prefix = unique("it");
    let classic = config(&shared_url(), &prefix, "mine").queue_type(QueueType::Classic);
    let first = bus(classic);
    link_is(&first, LinkState::Up).await;
    let quorum = config(&shared_url(), &prefix, "mine").queue_type(QueueType::Quorum);
    let second = bus(quorum);
    let mut links = second.links();
    let error = within("the conflict", async {
        loop {
            if let Some(error) = links.next().await.expect("open").error {
                return error;
            }
        }
    })
    .await;
    assert_eq!(
        (error.kind(), error.verdict()),
        (ErrorKind::Conflict, Verdict::Permanent)
    );
    let text = error.to_string();
    assert!(
        text.contains(&format!("{prefix}.mine")) && text.contains("x-queue-type"),
        "{text}"
    );
    // What it receives is in question; what it publishes, here and there, is not.
    let mut local = second.subscribe::<Tick>();
    let mut remote = first.subscribe::<Tick>();
    let confirmed = async {
        while !second
            .publish(Tick::new(1))
            .await
            .expect("open")
            .remote()
            .await
            .is_confirmed()
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("a confirm", confirmed).await;
    assert_eq!(local.recv().await.expect("open").expect("no gap").number, 1);
    let came = within("the event", remote.recv()).await;
    assert_eq!(came.expect("open").expect("no gap").number, 1);
    assert_eq!(second.health().status, Status::Degraded);
}

/// The words for an operator, and mirroring by itself once it is set right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_password_is_set_right_mirroring_begins_by_itself_fault() {
    let node = tokio::task::spawn_blocking(Node::start)
        .await
        .expect("a node");
    let url = node.url().replace("guest:guest", "mirror:first");
    let node = tokio::task::spawn_blocking(move || {
        node.ctl(&["add_user", "mirror", "second"]);
        node.ctl(&["set_permissions", "mirror", ".*", ".*", ".*"]);
        node
    })
    .await
    .expect("a user");
    let here = bus(config(&url, "password", "here"));
    until("the refusal", || {
        let health = here.health();
        let link = health.mirror.expect("there is one").link;
        link.error
            .is_some_and(|error| error.kind() == ErrorKind::Denied)
    })
    .await;
    let node = tokio::task::spawn_blocking(move || {
        node.ctl(&["change_password", "mirror", "first"]);
        node
    })
    .await
    .expect("the right password");
    link_is(&here, LinkState::Up).await;
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    assert!(within("the confirm", receipt.remote()).await.is_confirmed());
    here.shutdown(Duration::from_secs(2)).await;
    tokio::task::spawn_blocking(move || drop(node))
        .await
        .expect("ended");
}

/// Large events wait for room among the bytes that await their outcome; none is turned away.
#[tokio::test]
async fn events_larger_together_than_the_window_of_bytes_all_get_through() {
    let prefix = unique("it");
    let config = config(&shared_url(), &prefix, "here")
        .max_body_bytes(100 * 1024)
        .max_unconfirmed_bytes(256 * 1024);
    let here = bus(config);
    link_is(&here, LinkState::Up).await;
    let mut receipts = Vec::new();
    for number in 0..60 {
        let change = StateChange {
            new_state: format!("{number}{}", "x".repeat(90 * 1024)),
            ..StateChange::of("s3")
        };
        receipts.push(here.publish(change).await.expect("open"));
    }
    for receipt in receipts {
        let remote = within("an outcome", receipt.remote()).await;
        assert!(remote.is_confirmed(), "{remote:?}");
    }
}
