//! What had no answer when its channel ended is published again.

use std::{collections::HashSet, time::Duration};

use algedonic_amqp::Amqp;
use algedonic_transport::{Outcome, Transport};
use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{config_of, ctl, message, next, node, prefix_of, receive, soon, up},
};

/// Cut again and again while it publishes, a broker that comes back in time gets every message, and has them, without the
/// repetitions, in the order of their sending. They are read afterwards: what a reader had in hand when it was cut comes
/// again, and a reader that is back before the broker has noticed gets what is behind that first.
#[tokio::test(flavor = "multi_thread")]
async fn cuts_leave_no_outcome_unknown_and_keep_the_order() {
    const MESSAGES: usize = 3000;
    let (config, proxy) = behind_a_proxy().await;
    let config = config.queue("q");
    let owner = Amqp::new(config.clone()).expect("started");
    let _queue = receive(&owner);
    up(&owner).await;
    owner.close(Duration::from_secs(5)).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    let mut sent = Vec::new();
    let mut outcomes = FuturesUnordered::new();
    let mut cuts = 0;
    for number in 0..MESSAGES {
        let message = message("a");
        let id = message.metadata.id;
        let outcome = amqp.send(message);
        outcomes.push(async move { (id, outcome.await) });
        sent.push(id);
        if number % 500 == 250 {
            // Many are under way now.
            cut(&proxy).await;
            proxy.resume().await;
            cuts += 1;
            up(&amqp).await;
        }
        while outcomes.len() > 200 {
            let (id, outcome) = soon("an outcome", outcomes.next()).await.expect("some");
            keep(&mut sent, id, outcome);
        }
    }
    while let Some((id, outcome)) = soon("an outcome", outcomes.next()).await {
        keep(&mut sent, id, outcome);
    }
    assert_eq!(cuts, 6);
    let reader = Amqp::new(config).expect("started");
    let mut arrivals = receive(&reader);
    let mut seen = HashSet::new();
    let mut arrived = Vec::new();
    while seen.len() < sent.len() {
        let delivery = next(&mut arrivals).await;
        let id = delivery.message().metadata.id;
        if seen.insert(id) {
            arrived.push(id);
        }
        delivery.ack();
    }
    let refused = MESSAGES - sent.len();
    println!(
        "{} confirmed, {refused} refused over {cuts} cuts",
        sent.len()
    );
    assert!(sent.len() > MESSAGES / 2);
    let places: Vec<_> = arrived
        .iter()
        .map(|id| sent.iter().position(|one| one == id))
        .collect();
    let falls = places
        .windows(2)
        .filter(|two| two[1] != two[0].map(|before| before + 1));
    let falls: Vec<_> = falls.collect();
    assert!(
        arrived == sent,
        "the order is another one: {falls:?}, of {}",
        sent.len()
    );
}

/// Confirmed, or not sent at all: then it is not expected.
fn keep<T>(
    sent: &mut Vec<algedonic_transport::EventId>,
    id: algedonic_transport::EventId,
    outcome: Result<Outcome, T>,
) {
    match outcome {
        Ok(outcome) => assert_eq!(outcome, Outcome::Confirmed),
        Err(_) => sent.retain(|one| *one != id),
    }
}

/// The broker closes the channel over a message that this user may not send. Its neighbours do not feel it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_broker_refuses_costs_its_neighbours_nothing() {
    let node = node().await;
    let config = config_of(&node);
    let exchange = format!("{}.events", prefix_of(&config));
    let amqp = Amqp::new(config.queue("q")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let arguments = ["set_topic_permissions", "-p", "/", "guest"];
    ctl(
        &node,
        &[&arguments[..], &[&exchange, "^good", ".*"]].concat(),
    )
    .await;
    // The broker asks no more about what it has allowed on a channel before.
    ctl(&node, &["close_all_connections", "test"]).await;
    soon("up again", async {
        while !amqp.link().is_up() || amqp.link().connects < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let mut outcomes = Vec::new();
    for number in 0..200 {
        let bad = number % 50 == 20;
        let message = message(if bad { "bad" } else { "good" });
        let id = message.metadata.id;
        outcomes.push((bad, id, amqp.send(message)));
    }
    let mut good = Vec::new();
    for (bad, id, outcome) in outcomes {
        let outcome = soon("an outcome", outcome).await.expect("handed over");
        if bad {
            let told = matches!(&outcome, Outcome::Rejected { reason } if reason.contains("ACCESS_REFUSED"));
            assert!(told, "{outcome}");
        } else {
            assert_eq!(outcome, Outcome::Confirmed);
            good.push(id);
        }
    }
    let mut seen = HashSet::new();
    let mut arrived = Vec::new();
    while arrived.len() < good.len() {
        let delivery = next(&mut arrivals).await;
        let id = delivery.message().metadata.id;
        if seen.insert(id) {
            arrived.push(id);
        }
        delivery.ack();
    }
    assert!(arrived == good, "the order is another one");
    assert!(amqp.link().is_up(), "{}", amqp.link());
}

/// Who comes while the channel is opened again waits for it. So it is even if lapin loses the connection over it.
#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_a_message_that_the_broker_refuses_waits_for_the_next_channel() {
    let node = node().await;
    let config = config_of(&node);
    let exchange = format!("{}.events", prefix_of(&config));
    let arguments = ["set_topic_permissions", "-p", "/", "guest"];
    ctl(
        &node,
        &[&arguments[..], &[&exchange, "^good", ".*"]].concat(),
    )
    .await;
    let amqp = Amqp::new(config.queue("q")).expect("started");
    let _arrivals = receive(&amqp);
    up(&amqp).await;
    let mut outcomes = FuturesUnordered::new();
    for number in 0..600 {
        let bad = number % 40 == 20;
        let message = message(if bad { "bad" } else { "good" });
        let outcome = amqp.send(message);
        outcomes.push(async move { (number, bad, outcome.await) });
        // Over all of the time that a channel takes to be opened.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while let Some((number, bad, outcome)) = soon("an outcome", outcomes.next()).await {
        match outcome {
            Ok(Outcome::Rejected { .. }) if bad => {}
            Ok(Outcome::Confirmed) if !bad => {}
            other => panic!("{number}, bad: {bad}: {other:?}"),
        }
    }
}

/// lapin can lose a whole connection over a channel that the broker closes while it is let go of. Whatever
/// comes of it stays with the connection that publishes these messages.
#[tokio::test(flavor = "multi_thread")]
async fn channels_that_the_broker_closes_leave_the_other_connections_alone() {
    const ROUNDS: usize = 60;
    let node = node().await;
    let config = config_of(&node);
    let exchange = format!("{}.events", prefix_of(&config));
    let arguments = ["set_topic_permissions", "-p", "/", "guest"];
    ctl(
        &node,
        &[&arguments[..], &[&exchange, "^good", ".*"]].concat(),
    )
    .await;
    let amqp = Amqp::new(config.queue("q")).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let connections = async || -> HashSet<String> {
        let listed = ctl(&node, &["list_connections", "name", "--no-table-headers"]).await;
        listed.lines().map(str::to_owned).collect()
    };
    let before = connections().await;
    assert_eq!(before.len(), 3, "{before:?}");
    let mut owed = HashSet::new();
    for round in 0..ROUNDS {
        // The one to blame is now among others, now alone.
        let outcomes: Vec<_> = (0..=round % 4)
            .map(|number| {
                let bad = number == round % 3;
                let message = message(if bad { "bad" } else { "good" });
                (bad, message.metadata.id, amqp.send(message))
            })
            .collect();
        for (bad, id, outcome) in outcomes {
            match soon("an outcome", outcome).await {
                Ok(Outcome::Rejected { reason }) if bad => {
                    assert!(reason.contains("ACCESS_REFUSED"), "{reason}");
                }
                Ok(Outcome::Confirmed) if !bad => assert!(owed.insert(id)),
                // Its connection has gone, too.
                Err(error) if error.is_transient() => {}
                other => panic!("bad: {bad}, {other:?}"),
            }
        }
        up(&amqp).await;
    }
    while !owed.is_empty() {
        let delivery = next(&mut arrivals).await;
        owed.remove(&delivery.message().metadata.id);
        assert!(!delivery.is_redelivered(), "the consumer was lost");
        delivery.ack();
    }
    let after = connections().await;
    println!("{ROUNDS} rounds, and {} connects", amqp.link().connects);
    assert_eq!(after.len(), 3, "{after:?}");
    assert!(
        before.intersection(&after).count() >= 2,
        "{before:?}, {after:?}"
    );
}
