//! Several connections that publish events.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use algedonic_amqp::{Amqp, AmqpConfig};
use algedonic_transport::{EventId, Outcome, Transport};
use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};

use crate::{
    proxy::{behind_a_proxy, cut},
    support::{message, next, receive, soon, up},
};

const CONNECTIONS: usize = 3;
const KEYS: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];

/// The ids of each key, in the order of sending.
type Sent = HashMap<&'static str, Vec<EventId>>;

/// Makes the queue; nobody reads it yet.
async fn leave_a_queue(config: &AmqpConfig) {
    let owner = Amqp::new(config.clone()).expect("started");
    let _queue = receive(&owner);
    up(&owner).await;
    owner.close(Duration::from_secs(5)).await;
}

/// All that is in the queue, without repetitions.
async fn read(config: AmqpConfig, count: usize) -> HashMap<String, Vec<EventId>> {
    let reader = Amqp::new(config).expect("started");
    let mut arrivals = receive(&reader);
    let mut seen = HashSet::new();
    let mut arrived = HashMap::<String, Vec<EventId>>::new();
    while seen.len() < count {
        let delivery = next(&mut arrivals).await;
        let metadata = &delivery.message().metadata;
        if seen.insert(metadata.id) {
            let of_key = arrived.entry(metadata.key.to_string()).or_default();
            of_key.push(metadata.id);
        }
        delivery.ack();
    }
    arrived
}

/// Cut again and again, all of them at once, they bring every message, and the order of each key.
#[tokio::test(flavor = "multi_thread")]
async fn cuts_leave_no_outcome_unknown_and_keep_the_order_of_each_key() {
    const MESSAGES: usize = 3000;
    let (config, proxy) = behind_a_proxy().await;
    let config = config.queue("q").publish_connections(CONNECTIONS);
    leave_a_queue(&config).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    // And one for signals.
    assert_eq!(proxy.carried(), CONNECTIONS as u64 + 1);
    let mut sent = Sent::new();
    let mut outcomes = FuturesUnordered::new();
    for number in 0..MESSAGES {
        let key = KEYS[number % KEYS.len()];
        let message = message(key);
        let id = message.metadata.id;
        let outcome = amqp.send(message);
        outcomes.push(async move { (key, id, outcome.await) });
        sent.entry(key).or_default().push(id);
        if number % 500 == 250 {
            // Many are under way now.
            cut(&proxy).await;
            proxy.resume().await;
            up(&amqp).await;
        }
        let most = if number + 1 < MESSAGES { 200 } else { 0 };
        while outcomes.len() > most {
            let (key, id, outcome) = soon("an outcome", outcomes.next()).await.expect("some");
            match outcome {
                Ok(outcome) => assert_eq!(outcome, Outcome::Confirmed),
                // Not sent at all.
                Err(_) => sent.entry(key).or_default().retain(|one| *one != id),
            }
        }
    }
    let count = sent.values().map(Vec::len).sum();
    println!("{count} of {MESSAGES} confirmed");
    assert!(count > MESSAGES / 2);
    let arrived = read(config, count).await;
    for (key, sent) in sent {
        assert!(arrived[key] == sent, "the order of {key} is another one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_what_is_under_way_on_each() {
    let (config, _proxy) = behind_a_proxy().await;
    let config = config.queue("q").publish_connections(CONNECTIONS);
    leave_a_queue(&config).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    let outcomes: Vec<_> = (0..400)
        .map(|number| amqp.send(message(KEYS[number % KEYS.len()])))
        .collect();
    let closed = amqp.close(Duration::from_secs(5));
    let (closed, outcomes) = soon("the end", async {
        tokio::join!(closed, join_all(outcomes))
    })
    .await;
    assert_eq!(closed.unknown, 0);
    for outcome in outcomes {
        assert_eq!(outcome.expect("handed over"), Outcome::Confirmed);
    }
    let arrived = read(config, 400).await;
    assert!(arrived.values().all(|of_key| of_key.len() == 50));
}
