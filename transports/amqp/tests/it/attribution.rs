use std::sync::Arc;

use algedonic_amqp::{Amqp, QueueType};
use algedonic_transport::{ErrorKind, Lane, Outcome, Pattern, Transport};
use futures_util::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use lapin::{
    Connection,
    options::{QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::support::{config, message, operator, prefix_of, soon, up};

/// Every second message is unroutable; 256 are in flight.
#[tokio::test(flavor = "multi_thread")]
async fn no_return_is_ever_taken_for_another_message() {
    for queue_type in [QueueType::Quorum, QueueType::Classic] {
        let amqp = Amqp::new(config().await.queue_type(queue_type).window(256)).expect("started");
        let interest = vec![Pattern::new("wanted").expect("a pattern")];
        let mut arrivals = amqp.receive(Lane::Event, interest).expect("first call");
        let reader = tokio::spawn(async move {
            while let Some(arrival) = arrivals.next().await {
                if let algedonic_transport::Arrival::Message(delivery) = arrival {
                    delivery.ack();
                }
            }
        });
        up(&amqp).await;
        let mut outcomes = FuturesUnordered::new();
        let mut wrong = 0;
        let mut number = 0_u32;
        while number < 10_000 || !outcomes.is_empty() {
            if number < 10_000 && outcomes.len() < 256 {
                let routed = number.is_multiple_of(2);
                let key = if routed { "wanted" } else { "unwanted" };
                let outcome = amqp.send(message(key));
                outcomes.push(outcome.map(move |outcome| (routed, outcome)));
                number += 1;
                continue;
            }
            let (routed, outcome) = soon("an outcome", outcomes.next()).await.expect("one");
            let expected = if routed {
                Outcome::Confirmed
            } else {
                Outcome::NotRouted
            };
            match outcome {
                Ok(outcome) => wrong += u32::from(outcome != expected),
                // The answer may be known to the sender before its place in the window is free.
                Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
            }
        }
        assert_eq!(wrong, 0, "{queue_type:?}");
        reader.abort();
    }
}

/// A queue for the key `full` of this prefix, which takes one message and refuses the rest.
async fn full_queue(prefix: &str) -> Connection {
    let (connection, channel) = operator(&algedonic_test_broker::shared_url()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert(
        "x-overflow".into(),
        AMQPValue::LongString("reject-publish".into()),
    );
    let options = QueueDeclareOptions {
        exclusive: true,
        ..QueueDeclareOptions::default()
    };
    let full = format!("{prefix}.full");
    soon(
        "declared",
        channel.queue_declare(full.as_str().into(), options, arguments),
    )
    .await
    .expect("ok");
    let exchange = format!("{prefix}.events");
    let bound = channel.queue_bind(
        full.as_str().into(),
        exchange.as_str().into(),
        "full".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    soon("bound", bound).await.expect("ok");
    connection
}

#[tokio::test]
async fn a_queue_that_refuses_more_is_a_rejection() {
    let config = config().await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    let _full = full_queue(&prefix_of(&config)).await;
    let (mut confirmed, mut rejected) = (0, 0);
    for _ in 0..20 {
        match soon("outcome", amqp.send(message("full")))
            .await
            .expect("sent")
        {
            Outcome::Confirmed => confirmed += 1,
            Outcome::Rejected { .. } => rejected += 1,
            other => panic!("{other}"),
        }
    }
    assert!(
        confirmed >= 1 && rejected >= 17,
        "{confirmed} confirmed, {rejected} rejected"
    );
    assert!(amqp.link().is_up());
}

/// Eight tasks send at once; every second message of each goes to a queue that refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn no_nack_is_ever_taken_for_another_message() {
    const TASKS: usize = 8;
    for queue_type in [QueueType::Quorum, QueueType::Classic] {
        let config = config().await.queue_type(queue_type);
        let amqp = Arc::new(Amqp::new(config.clone()).expect("started"));
        let interest = vec![Pattern::new("open").expect("a pattern")];
        let mut arrivals = amqp.receive(Lane::Event, interest).expect("first call");
        let reader = tokio::spawn(async move {
            while let Some(algedonic_transport::Arrival::Message(delivery)) = arrivals.next().await
            {
                delivery.ack();
            }
        });
        up(&amqp).await;
        let _full = full_queue(&prefix_of(&config)).await;
        soon("it is full", async {
            while !matches!(
                amqp.send(message("full")).await,
                Ok(Outcome::Rejected { .. })
            ) {}
        })
        .await;
        let tasks = (0..TASKS).map(|_| {
            let amqp = amqp.clone();
            tokio::spawn(async move {
                let mut outcomes = FuturesUnordered::new();
                let (mut sent, mut wrong) = (0_u32, 0_u32);
                while sent < 1000 || !outcomes.is_empty() {
                    // All of them together fit into the window.
                    if sent < 1000 && outcomes.len() < 512 / TASKS - 1 {
                        let open = sent.is_multiple_of(2);
                        let outcome = amqp.send(message(if open { "open" } else { "full" }));
                        outcomes.push(outcome.map(move |outcome| (open, outcome)));
                        sent += 1;
                        continue;
                    }
                    let (open, outcome) = soon("an outcome", outcomes.next()).await.expect("one");
                    let right = match outcome.expect("there is room") {
                        Outcome::Confirmed => open,
                        Outcome::Rejected { .. } => !open,
                        other => panic!("{other}"),
                    };
                    wrong += u32::from(!right);
                }
                wrong
            })
        });
        let wrong = join_all(tasks).await;
        assert!(
            wrong.iter().all(|wrong| matches!(wrong, Ok(0))),
            "{queue_type:?}: {wrong:?}"
        );
        assert_eq!(amqp.link().connects, 1, "{}", amqp.link());
        reader.abort();
    }
}
