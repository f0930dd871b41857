//! A broker that says nothing for a while, and goes on before anybody has given it up.

use std::time::Duration;

use algedonic_amqp::Amqp;
use algedonic_transport::{Lane, Outcome, Transport};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, timeout};

use crate::{
    dead_letters::waiting,
    support::{
        config_of, confirmed, eventually, message, next, node, operator, prefix_of, receive,
        receive_on, signal, soon, up,
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
    for lane in ["events", "signals"] {
        eventually("everything is settled", async || {
            waiting(&channel, &format!("{prefix}.q.{lane}")).await == 0
        })
        .await;
    }
}
