use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use algedonic::{Buffer, Bus, EventId, LinkState, Remote, Status};
use algedonic_test_broker::Node;
use tokio::sync::mpsc;

use crate::{
    events::Tick,
    rabbitmq::{bus, config, link_is, within},
};

/// No call to `publish` may take longer: nothing it does waits for a broker. A machine that is busy
/// starting one may well keep a thread from running for a while.
const PUBLISH_BOUND: Duration = Duration::from_millis(500);

/// By then every remote outcome is known: the mirror's deadline, and some scheduling.
const REMOTE_BOUND: Duration = Duration::from_secs(11);

/// Node commands block.
async fn command(node: &Arc<Node>, act: impl FnOnce(&Node) + Send + 'static) {
    let node = Arc::clone(node);
    tokio::task::spawn_blocking(move || act(&node))
        .await
        .expect("the node obeys");
}

/// What one publisher saw.
#[derive(Default)]
struct Seen {
    published: u64,
    slowest: Duration,
    confirmed: Vec<EventId>,
    outcomes: HashMap<&'static str, u64>,
}

/// Publishes about a thousand events a second until told to stop, and follows each to its end.
async fn publish_until(bus: Bus, mut stop: mpsc::Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    let (receipts, mut pending) = mpsc::unbounded_channel();
    let follow = tokio::spawn(async move {
        let mut outcomes = Vec::new();
        while let Some((id, remote)) = pending.recv().await {
            let remote: Remote = tokio::time::timeout(REMOTE_BOUND, remote)
                .await
                .expect("every remote outcome resolves by its deadline");
            outcomes.push((id, remote));
        }
        outcomes
    });
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    while stop.try_recv() == Err(mpsc::error::TryRecvError::Empty) {
        pace.tick().await;
        let start = Instant::now();
        let receipt = bus.publish(Tick::new(seen.published)).await.expect("open");
        seen.slowest = seen.slowest.max(start.elapsed());
        assert_eq!(receipt.local().subscribers, 1);
        seen.published += 1;
        let sent = receipts.send((receipt.id(), receipt.remote()));
        assert!(sent.is_ok(), "the follower panicked");
    }
    drop(receipts);
    for (id, remote) in follow.await.expect("no panic") {
        let name = match remote {
            Remote::Confirmed => {
                seen.confirmed.push(id);
                "confirmed"
            }
            Remote::Unroutable => "unroutable",
            Remote::Rejected { .. } => "rejected",
            Remote::Unknown { .. } => "unknown",
            Remote::LocalOnly(_) => "local only",
            other => panic!("{other}"),
        };
        *seen.outcomes.entry(name).or_default() += 1;
    }
    seen
}

/// Runs events from one bus to another while `fault` does its work, and checks every promise.
async fn under(fault: impl AsyncFnOnce(&Arc<Node>, &Bus)) {
    let node = Arc::new(
        tokio::task::spawn_blocking(Node::start)
            .await
            .expect("a node"),
    );
    let here = bus(config(&node.url(), "faults", "here"));
    let there = bus(config(&node.url(), "faults", "there"));
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    // RabbitMQ 3.10 never finds the leader of a quorum queue again that was declared within some
    // seconds before a kill. After an orderly restart the queues are not that young.
    command(&node, Node::stop).await;
    command(&node, Node::restart).await;
    within("the links again", async {
        for bus in [&here, &there] {
            let mut links = bus.links();
            while links
                .next()
                .await
                .is_none_or(|link| !link.is_up() || link.connects < 2)
            {}
        }
    })
    .await;

    let mut local = here.subscribe_with::<Tick>(Buffer::block(1024));
    let local = tokio::spawn(async move {
        let mut next = 0;
        while let Some(tick) = local.recv().await {
            assert_eq!(tick.expect("no gap").number, next, "local order");
            next += 1;
        }
        next
    });
    let mut remote = there.subscribe_with::<Tick>(Buffer::block(1024));
    let remote = tokio::spawn(async move {
        let mut arrived: HashMap<EventId, u64> = HashMap::new();
        while let Some(tick) = remote.recv().await {
            *arrived.entry(tick.expect("no gap").id()).or_default() += 1;
        }
        arrived
    });

    let (stop, stopped) = mpsc::channel(1);
    let publisher = tokio::spawn(publish_until(here.clone(), stopped));
    while here.counts().confirmed < 200 {
        tokio::task::yield_now().await;
    }
    fault(&node, &here).await;
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let confirmed = here.counts().confirmed;
    within("mirroring to resume", async {
        while here.counts().confirmed < confirmed + 200 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    drop(stop);
    let seen = publisher.await.expect("no panic");

    assert!(
        seen.slowest < PUBLISH_BOUND,
        "a publish took {:?}",
        seen.slowest
    );
    assert_eq!(
        seen.outcomes.values().sum::<u64>(),
        seen.published,
        "{:?}",
        seen.outcomes
    );
    let counts = here.counts();
    let count = |name| seen.outcomes.get(name).copied().unwrap_or_default();
    assert_eq!(
        (
            counts.confirmed,
            counts.unknown,
            counts.local_only,
            counts.unroutable
        ),
        (
            count("confirmed"),
            count("unknown"),
            count("local only"),
            count("unroutable")
        )
    );

    // Whatever was confirmed arrives, once.
    within("what was confirmed to arrive", async {
        while there.counts().received < seen.confirmed.len() as u64 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    here.shutdown(Duration::from_secs(5)).await;
    there.shutdown(Duration::from_secs(5)).await;
    assert_eq!(
        local.await.expect("no panic"),
        seen.published,
        "local delivery loses nothing"
    );
    let arrived = remote.await.expect("no panic");
    for id in &seen.confirmed {
        assert_eq!(arrived.get(id), Some(&1), "event {id}");
    }
    assert!(arrived.values().all(|times| *times == 1));
    println!(
        "RabbitMQ {}: {} published, slowest call {:?}, {:?}",
        node.version(),
        seen.published,
        seen.slowest,
        seen.outcomes
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted() {
    under(async |node, here| {
        command(node, Node::kill).await;
        link_is(here, LinkState::Down).await;
        assert_eq!(here.health().status, Status::Degraded);
        command(node, Node::restart).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_and_restarted() {
    under(async |node, here| {
        command(node, Node::stop).await;
        link_is(here, LinkState::Down).await;
        command(node, Node::restart).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_and_resumed() {
    under(async |node, here| {
        command(node, Node::pause).await;
        // Whether it is the heartbeat or the first confirm that fails: it is noticed, and said.
        within("the silence to be noticed", async {
            while here.health().status == Status::Healthy {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        command(node, Node::resume).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_at_the_start() {
    let node = Arc::new(
        tokio::task::spawn_blocking(Node::start)
            .await
            .expect("a node"),
    );
    command(&node, Node::stop).await;
    let start = Instant::now();
    let here = bus(config(&node.url(), "faults", "here"));
    assert!(
        start.elapsed() < PUBLISH_BOUND,
        "a bus starts without its broker"
    );
    let mut ticks = here.subscribe::<Tick>();
    let receipt = here.publish(Tick::new(1)).await.expect("open");
    assert_eq!(ticks.recv().await.expect("open").expect("no gap").number, 1);
    assert!(
        within("the outcome", receipt.remote())
            .await
            .is_local_only()
    );
    link_is(&here, LinkState::Down).await;
    let health = here.health().to_string();
    assert!(
        health.contains("refused"),
        "words for an operator: {health}"
    );

    command(&node, Node::restart).await;
    link_is(&here, LinkState::Up).await;
    let receipt = here.publish(Tick::new(2)).await.expect("open");
    let remote = within("the confirm", receipt.remote()).await;
    assert!(remote.is_confirmed(), "{remote}");
}
