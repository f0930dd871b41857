use std::time::Duration;

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_transport::{ErrorKind, LinkState, Transport};
use futures_util::StreamExt;
use tokio::{io::AsyncReadExt, net::TcpListener, time::Instant};

use crate::proxy::{behind_a_proxy, cut};
use crate::support::{
    alone, config, config_of, ctl, eventually, is_alone, lapin_threads, link, message, next, node,
    receive, soon, up,
};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn closed_it_says_so_everywhere() {
    let amqp = Amqp::new(config().await).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut links = amqp.links();
    let last = amqp.send(message("a"));
    let (first, second) = (amqp.close(5 * SECOND), amqp.close(Duration::ZERO));
    assert_eq!(soon("close", first).await, soon("close", second).await);
    // What was accepted before the close has its outcome.
    soon("outcome", last).await.expect("accepted");
    let error = soon("refusal", amqp.send(message("a")))
        .await
        .expect_err("closed");
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(soon("the end", arrivals.next()).await.is_none());
    assert!(
        amqp.receive(algedonic_transport::Lane::Signal, vec![])
            .is_err()
    );
    assert_eq!(amqp.link().state, LinkState::Closed);
    let states: Vec<_> = soon("the end", links.by_ref().map(|link| link.state).collect()).await;
    assert_eq!(states.last(), Some(&LinkState::Closed), "{states:?}");
}

#[tokio::test]
async fn acks_on_their_way_are_not_lost_by_closing() {
    let config = config().await.queue("q");
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..10 {
        soon("outcome", amqp.send(message("a")))
            .await
            .expect("sent");
    }
    for _ in 0..9 {
        next(&mut arrivals).await.ack();
    }
    let kept = next(&mut arrivals).await;
    let id = kept.message().metadata.id;
    soon("close", amqp.close(5 * SECOND)).await;
    drop(kept);
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    let again = next(&mut arrivals).await;
    assert!(again.message().metadata.id == id && again.is_redelivered());
}

#[tokio::test]
async fn closing_without_a_broker_takes_no_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("amqp://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let amqp = Amqp::new(AmqpConfig::new(&url).expect("valid")).expect("started");
    let _arrivals = receive(&amqp);
    link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let start = Instant::now();
    soon("close", amqp.close(5 * SECOND)).await;
    assert!(start.elapsed() < SECOND / 2, "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_with_a_frozen_broker_ends_at_the_deadline() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node)).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    node.pause();
    let outcome = amqp.send(message("a"));
    let start = Instant::now();
    let closed = soon("close", amqp.close(SECOND)).await;
    assert_eq!(closed.unknown, 1);
    assert!(start.elapsed() < SECOND * 3 / 2, "{:?}", start.elapsed());
    let outcome = soon("outcome", outcome).await.expect("handed over");
    assert!(
        matches!(outcome, algedonic_transport::Outcome::Unknown { .. }),
        "{outcome}"
    );
    node.resume();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_without_closing_it_leaves_no_connection_on_the_broker() {
    let node = node().await;
    let connections = async || {
        let listed = ctl(&node, &["list_connections", "name", "--no-table-headers"]).await;
        listed.lines().filter(|line| line.contains("->")).count()
    };
    let amqp = Amqp::new(config_of(&node)).expect("started");
    let arrivals = receive(&amqp);
    up(&amqp).await;
    // Events out, signals out, events in.
    eventually("three connections", async || connections().await == 3).await;
    drop(amqp);
    eventually("no connection", async || connections().await == 0).await;
    drop(arrivals);
}

/// Counting threads needs a process in which nothing else connects.
#[test]
fn no_thread_outlives_its_transport() {
    if is_alone() {
        let runtime = tokio::runtime::Runtime::new().expect("started");
        runtime.block_on(threads_come_and_go());
    } else {
        alone("closing::no_thread_outlives_its_transport", &[]);
    }
}

async fn threads_come_and_go() {
    // A listener that accepts and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let url = format!("amqp://{}", listener.local_addr().expect("bound"));
    let timeout = SECOND / 2;
    let config = AmqpConfig::new(&url)
        .expect("valid")
        .connect_timeout(timeout);
    let start = Instant::now();
    let amqp = Amqp::new(config.clone()).expect("started");
    let (mut accepted, _) = soon("a connection", listener.accept())
        .await
        .expect("accepted");
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    assert_eq!(down.error.expect("a reason").kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < 3 * timeout, "{:?}", start.elapsed());
    // It was cut: the other side reads the greeting, and then the end.
    let mut greeting = Vec::new();
    soon("the end", accepted.read_to_end(&mut greeting))
        .await
        .expect("read");
    drop(amqp);
    eventually("no thread", async || lapin_threads() == 0).await;

    // Closed and dropped in the middle of connecting.
    let amqp = Amqp::new(config.clone()).expect("started");
    soon("a connection", listener.accept())
        .await
        .expect("accepted");
    soon("close", amqp.close(SECOND)).await;
    eventually("no thread", async || lapin_threads() == 0).await;
    let amqp = Amqp::new(config).expect("started");
    soon("a connection", listener.accept())
        .await
        .expect("accepted");
    drop(amqp);
    eventually("no thread", async || lapin_threads() == 0).await;

    // Connections that come and go.
    let (config, proxy) = behind_a_proxy().await;
    let amqp = Amqp::new(config).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    for round in 0..40 {
        cut(&proxy).await;
        proxy.resume().await;
        tokio::time::sleep(Duration::from_millis(round * 7 % 150)).await;
        drop(amqp.send(message("a")));
    }
    up(&amqp).await;
    eventually("one thread for each connection", async || {
        lapin_threads() == 3
    })
    .await;
    drop(amqp);
    eventually("no thread", async || lapin_threads() == 0).await;
}

#[test]
fn a_runtime_that_ends_first_takes_the_transport_with_it() {
    let runtime = tokio::runtime::Runtime::new().expect("started");
    let (amqp, mut arrivals, outcome) = runtime.block_on(async {
        let amqp = Amqp::new(config().await).expect("started");
        let arrivals = receive(&amqp);
        up(&amqp).await;
        let outcome = amqp.send(message("a"));
        (amqp, arrivals, outcome)
    });
    drop(runtime);
    let after = tokio::runtime::Runtime::new().expect("started");
    after.block_on(async {
        // Handed over or not: it has an answer.
        let _ = soon("outcome", outcome).await;
        soon("close", amqp.close(SECOND)).await;
        drop(amqp);
        soon("the end", async {
            while arrivals.next().await.is_some() {}
        })
        .await;
    });
}
