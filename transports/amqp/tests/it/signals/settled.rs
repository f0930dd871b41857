//! Each queue is settled for itself, though they have the same tags.

use std::time::Duration;

use algedonic_amqp::{Amqp, Purpose};
use algedonic_test_broker::shared_url;
use algedonic_transport::Transport;
use lapin::options::QueueDeleteOptions;

use super::{LEVELS, lengths, one_of_each, receive, with_key};
use crate::{
    dead_letters::{header_of, id_of, letter, waiting},
    support::{arrives, blocking, config, confirmed, eventually, link, next, operator, soon, up},
};

#[tokio::test]
async fn each_of_four_with_one_tag_has_its_own_end() {
    let config = config().await.queue("q");
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    let mut held = Vec::new();
    for signal in one_of_each() {
        let id = confirmed(&amqp, signal).await;
        let delivery = next(&mut arrivals).await;
        assert_eq!(delivery.message().metadata.id, id);
        held.push(delivery);
    }
    let [low, medium, high, critical] = held.try_into().expect("four");
    let dead = [&medium, &critical].map(|delivery| delivery.message().metadata.id);
    medium.dead_letter_because("no such metric");
    critical.dead_letter_because("no such metric");
    let again = high.message().metadata.id;
    high.requeue();
    low.ack();
    let delivery = next(&mut arrivals).await;
    assert_eq!(
        (delivery.message().metadata.id, delivery.attempt()),
        (again, 2)
    );
    delivery.ack();
    let letters = config.dead_letter_queue_name(Purpose::Signals);
    for (id, key) in dead.into_iter().zip([LEVELS[2].0, LEVELS[0].0]) {
        let letter = letter(&channel, &letters).await;
        assert_eq!(id_of(&letter), id.to_string());
        assert_eq!(header_of(&letter, "algedonic-key"), key);
        assert_eq!(
            header_of(&letter, "algedonic-exchange"),
            config.exchange_name(Purpose::Signals)
        );
    }
    soon("close", amqp.close(Duration::from_secs(5))).await;
    let queues = config.signal_queue_names();
    eventually("all are settled", async || {
        lengths(&channel, &queues).await == [0; 4]
    })
    .await;
    assert_eq!(waiting(&channel, &letters).await, 0);
}

#[tokio::test]
async fn what_was_in_hand_of_each_level_comes_again_to_the_next_owner() {
    let config = config().await.queue("q");
    let first = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&first);
    up(&first).await;
    let mut held = Vec::new();
    for signal in one_of_each() {
        confirmed(&first, signal).await;
        held.push(next(&mut arrivals).await);
        // And one of each that is done.
        let id = confirmed(&first, with_key("algedonic.pain.critical")).await;
        arrives(&mut arrivals, id).await;
    }
    drop(arrivals);
    soon("close", first.close(Duration::from_secs(5))).await;
    let second = Amqp::new(config).expect("started");
    let mut arrivals = receive(&second);
    for (key, _) in LEVELS {
        let delivery = next(&mut arrivals).await;
        assert_eq!(&*delivery.message().metadata.key, key);
        assert_eq!((delivery.attempt(), delivery.is_redelivered()), (2, true));
        delivery.ack();
    }
    for delivery in held {
        delivery.ack();
    }
}

/// The broker cancels who reads a queue that is deleted.
#[tokio::test]
async fn whichever_queue_is_deleted_the_lane_comes_back_with_all_of_them() {
    let config = config().await.queue("q");
    let (_connection, channel) = operator(&blocking(shared_url).await).await;
    let amqp = Amqp::new(config.clone()).expect("started");
    let mut arrivals = receive(&amqp);
    up(&amqp).await;
    for (round, queue) in config.signal_queue_names().into_iter().enumerate() {
        let deleted = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
        soon("deleted", deleted).await.expect("it was there");
        let connects = u64::try_from(round).expect("few") + 2;
        link(&amqp, "up again", |link| {
            link.is_up() && link.connects == connects
        })
        .await;
        for (key, _) in LEVELS {
            let id = confirmed(&amqp, with_key(key)).await;
            arrives(&mut arrivals, id).await;
        }
    }
}
