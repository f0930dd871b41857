//! A broker that says nothing for a while, and goes on before anybody has given it up.

use std::time::Duration;

use algedonic_amqp::Amqp;
use algedonic_test_broker::{End, Way};
use algedonic_transport::{Lane, LinkState, Outcome, Transport};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, timeout};

use crate::{
    dead_letters::waiting,
    proxy::behind_a_proxy,
    support::{
        arrives, config_of, confirmed, eventually, link, message, next, node, operator, prefix_of,
        receive, receive_on, signal, soon, up,
    },
};

/// Shorter than the confirm timeout and than two heartbeats: outcomes are late, and that is all. Nothing is
/// sent twice, and what was acked meanwhile does not come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_frozen_for_less_than_the_deadlines_is_late_and_no_more() {
    const EACH: usize = 100;
    let node = node().await;
    let second = Duration::from_secs(1);
    let config = config_of(&node)
        .heartbeat(3 * second)
        .confirm_timeout(5 * second)
        .queue("q");
    let prefix = prefix_of(&config);
    let amqp = Amqp::new(config).expect("started");
    let mut events = receive(&amqp);
    let mut signals = receive_on(&amqp, Lane::Signal);
    up(&amqp).await;
    confirmed(&amqp, message("before")).await;
    let held = next(&mut events).await;

    node.pause();
    let since = Instant::now();
    let mut outcomes = FuturesUnordered::new();
    let (mut sent_events, mut sent_signals) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        let (event, signal) = (message("a"), signal("a"));
        sent_events.push(event.metadata.id);
        sent_signals.push(signal.metadata.id);
        outcomes.push(amqp.send(event));
        outcomes.push(amqp.send(signal));
    }
    held.ack();
    // The time is what is tried: all of two seconds, in which nothing is decided.
    let early = timeout(2 * second, outcomes.next()).await;
    assert!(early.is_err(), "{early:?}");
    assert!(amqp.link().is_up(), "{}", amqp.link());
    node.resume();
    while let Some(outcome) = soon("an outcome", outcomes.next()).await {
        assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
    }
    println!("all confirmed {:?} after the freeze began", since.elapsed());
    assert!(since.elapsed() >= 2 * second && since.elapsed() < 5 * second);

    // Each once, in order, and nothing else before what is sent last.
    sent_events.push(confirmed(&amqp, message("a")).await);
    sent_signals.push(confirmed(&amqp, signal("a")).await);
    for (arrivals, sent) in [(&mut events, sent_events), (&mut signals, sent_signals)] {
        for id in sent {
            let delivery = next(arrivals).await;
            assert_eq!(delivery.message().metadata.id, id);
            assert!(!delivery.is_redelivered());
            delivery.ack();
        }
    }
    assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
    soon("close", amqp.close(5 * second)).await;
    let (_connection, channel) = operator(&node.url()).await;
    for lane in ["events", "signals.low"] {
        eventually("everything is settled", async || {
            waiting(&channel, &format!("{prefix}.q.{lane}")).await == 0
        })
        .await;
    }
}

/// With nothing to send, and nothing that comes, its heartbeats are missed.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_frozen_while_nothing_is_sent_is_given_up_by_its_heartbeats() {
    let node = node().await;
    let second = Duration::from_secs(1);
    let config = config_of(&node)
        .heartbeat(second)
        .confirm_timeout(second)
        .connect_timeout(second)
        .queue("q");
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    node.pause();
    let since = Instant::now();
    let down = link(&amqp, "down", |link| link.state == LinkState::Down).await;
    let took = since.elapsed();
    println!("given up after {took:?}: {down}");
    assert!(down.to_string().contains("no heartbeat"), "{down}");
    assert!(took > second && took < 4 * second, "{took:?}");
    node.resume();
    up(&amqp).await;
    let sent = confirmed(&amqp, message("a")).await;
    arrives(&mut arrivals, sent).await;
}

/// Half of a connection is none: whichever way nothing passes, waiting or lost, it is given up within two
/// heartbeats, and what was under way gets through on the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_passes_one_way_only_is_given_up() {
    let second = Duration::from_secs(1);
    for way in [Way::ToServer, Way::ToClient] {
        for lost in [false, true] {
            let (config, proxy) = behind_a_proxy().await;
            let config = config
                .queue("q")
                .heartbeat(2 * second)
                .confirm_timeout(second);
            let amqp = Amqp::new(config).expect("started");
            let mut arrivals = receive(&amqp);
            up(&amqp).await;
            if lost {
                proxy.swallow(way);
            } else {
                proxy.stall(way);
            }
            let since = Instant::now();
            let outcome = soon("an outcome", amqp.send(message("a"))).await;
            assert!(
                matches!(outcome, Ok(Outcome::Unknown { .. })),
                "{way:?}, {lost}: {outcome:?}"
            );
            assert!(since.elapsed() < 2 * second, "{:?}", since.elapsed());
            // Those that have nothing to say are missed by their heartbeats, here or at the broker.
            eventually("all three were given up", async || proxy.accepted() >= 6).await;
            let given_up = since.elapsed();
            println!("{way:?}, lost: {lost}: given up after {given_up:?}");
            assert!(given_up < 10 * second, "{given_up:?}");
            proxy.resume().await;
            proxy.end(End::Reset);
            up(&amqp).await;
            let last = soon("a confirm", async {
                loop {
                    let message = message("last");
                    let id = message.metadata.id;
                    if amqp.send(message).await.ok() == Some(Outcome::Confirmed) {
                        return id;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            arrives(&mut arrivals, last).await;
        }
    }
}
