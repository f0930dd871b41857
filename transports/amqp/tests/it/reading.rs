//! Who reads: how much is with a reader, who else gets a turn, and from where a delivery is settled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::Amqp;
use algedonic_test_broker::shared_url;
use algedonic_transport::{Arrival, Transport};
use futures_util::{FutureExt, StreamExt, future::join_all};

use crate::{
    dead_letters::waiting,
    support::{
        blocking, config, confirmed, eventually, message, next, operator, prefix_of, receive, soon,
        up,
    },
};

/// What is there at once is read at once, but no other task waits for the last of it.
#[tokio::test]
async fn a_reader_with_much_to_read_lets_other_tasks_go_on() {
    let config = config().await.queue("q").prefetch(1000);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..10 {
        let outcomes = join_all((0..100).map(|_| amqp.send(message("a"))));
        for outcome in soon("outcomes", outcomes).await {
            outcome.expect("sent");
        }
    }
    let (_connection, channel) = operator(&url).await;
    eventually("all are with us", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
    })
    .await;
    // On the same thread as the reader.
    let turns = Arc::new(AtomicU32::new(0));
    let counting = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let before = turns.load(Ordering::Relaxed);
    for _ in 0..1000 {
        // Without a deadline: its timer would take turns of its own.
        match arrivals.next().await {
            Some(Arrival::Message(delivery)) => delivery.ack(),
            other => panic!("expected a message, not {other:?}"),
        }
    }
    let turns = turns.load(Ordering::Relaxed) - before;
    assert!(turns >= 5, "{turns} turns");
    other.abort();
}

/// An application settles wherever it likes.
#[tokio::test]
async fn a_delivery_is_settled_from_a_thread_without_a_runtime() {
    let config = config().await.queue("q").prefetch(4);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..20 {
        confirmed(&amqp, message("a")).await;
    }
    for number in 0..20 {
        let delivery = next(&mut arrivals).await;
        let settled = std::thread::spawn(move || match number % 4 {
            0 => delivery.dead_letter_because("no use"),
            _ => delivery.ack(),
        });
        settled.join().expect("no panic");
    }
    soon("close", amqp.close(Duration::from_secs(5))).await;
    let (_connection, channel) = operator(&url).await;
    eventually("everything is settled", async || {
        waiting(&channel, &format!("{prefix}.q.events")).await == 0
            && waiting(&channel, &format!("{prefix}.q.events.dlq")).await == 5
    })
    .await;
}

/// The broker has no more with us than the prefetch allows, however slow we are.
#[tokio::test]
async fn a_slow_reader_holds_no_more_than_its_prefetch() {
    let config = config().await.queue("q").prefetch(7);
    let prefix = prefix_of(&config);
    let url = blocking(shared_url).await;
    let amqp = Amqp::new(config).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for _ in 0..50 {
        confirmed(&amqp, message("a")).await;
    }
    let (_connection, channel) = operator(&url).await;
    let queue = format!("{prefix}.q.events");
    eventually("seven are out", async || {
        waiting(&channel, &queue).await == 43
    })
    .await;
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(next(&mut arrivals).await);
    }
    assert!(arrivals.next().now_or_never().is_none());
    assert_eq!(waiting(&channel, &queue).await, 43);
    for delivery in held.drain(..2) {
        delivery.ack();
    }
    eventually("two more are out", async || {
        waiting(&channel, &queue).await == 41
    })
    .await;
}
