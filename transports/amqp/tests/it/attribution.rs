use algedonic_amqp::{Amqp, QueueType};
use algedonic_transport::{ErrorKind, Lane, Outcome, Pattern, Transport};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use lapin::{
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

#[tokio::test]
async fn a_queue_that_refuses_more_is_a_rejection() {
    let config = config().await;
    let amqp = Amqp::new(config.clone()).expect("started");
    up(&amqp).await;
    let prefix = prefix_of(&config);
    let (_connection, channel) = operator(&algedonic_test_broker::shared_url()).await;
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
