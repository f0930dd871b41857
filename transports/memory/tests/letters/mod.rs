//! What the broker takes out of a queue, and why: time, length, and messages that come back too often.

use std::time::{Duration, SystemTime};

use algedonic_memory::{Broker, DeathCause, Limits, Overflow};
use algedonic_transport::{Lane, Outcome, Transport};
use tokio::time::advance;

use crate::talk::{bodies, body, event, next, receive, send};

/// The bodies of the dead letters, with the cause of each and the number of its deliveries.
fn dead(broker: &Broker, name: &str) -> Vec<(String, DeathCause, u32)> {
    let letters = broker.dead_letters(name).into_iter();
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    letters
        .map(|letter| (text(&letter.message.body), letter.cause, letter.deliveries))
        .collect()
}

#[test]
fn a_dead_letter_has_its_cause_and_its_deliveries() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "worthless").expect("sent");
    drop(next(&mut arrivals));
    let again = next(&mut arrivals);
    let id = again.message().metadata.id;
    assert_eq!(broker.deliveries("a", id), Some(2));
    again.dead_letter();
    assert_eq!(broker.deliveries("a", id), None);
    let expected = ("worthless".to_owned(), DeathCause::Rejected, 2);
    assert_eq!(dead(&broker, "a"), [expected]);
    assert_eq!(DeathCause::DeliveryLimit.to_string(), "delivery_limit");
}

#[test]
fn what_comes_back_too_often_is_a_dead_letter_and_stalls_nobody() {
    let broker = Broker::with_limits(Limits {
        delivery_limit: Some(2),
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "poison").expect("sent");
    send(&transport, "good").expect("sent");
    next(&mut arrivals).requeue();
    drop(next(&mut arrivals));
    let last = next(&mut arrivals);
    assert_eq!(body(&last), "poison");
    // A lost connection counts, too.
    broker.redeliver("a");
    assert_eq!(bodies(&mut arrivals), ["good"]);
    last.ack();
    let expected = ("poison".to_owned(), DeathCause::DeliveryLimit, 3);
    assert_eq!(dead(&broker, "a"), [expected]);
}

#[test]
fn the_oldest_makes_room_where_the_head_is_dropped() {
    let broker = Broker::with_limits(Limits {
        queue: 2,
        overflow: Overflow::DropHead,
        ..Limits::default()
    });
    let (a, b) = (broker.transport("a"), broker.transport("b"));
    let (mut to_a, mut to_b) = (receive(&a, Lane::Event), receive(&b, Lane::Event));
    let held = ["one", "two", "three", "four"].map(|body| {
        assert_eq!(send(&a, body).expect("sent"), Outcome::Confirmed);
        next(&mut to_b)
    });
    assert_eq!(bodies(&mut to_a), ["three", "four"]);
    let causes: Vec<_> = dead(&broker, "a")
        .into_iter()
        .map(|it| (it.0, it.1))
        .collect();
    let dropped = |body: &str| (body.to_owned(), DeathCause::MaxLength);
    assert_eq!(causes, [dropped("one"), dropped("two")]);
    assert!(dead(&broker, "b").is_empty(), "the unsettled do not count");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_queue_lets_go_of_what_waits_too_long_by_the_clock_of_the_test() {
    let broker = Broker::with_limits(Limits {
        message_ttl: Some(Duration::from_secs(10)),
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "taken").expect("sent");
    send(&transport, "old").expect("sent");
    let taken = next(&mut arrivals);
    advance(Duration::from_secs(6)).await;
    send(&transport, "young").expect("sent");
    advance(Duration::from_secs(4)).await;
    assert_eq!(broker.waiting("a", Lane::Event), 1);
    let expired = |body: &str, deliveries| (body.to_owned(), DeathCause::Expired, deliveries);
    assert_eq!(dead(&broker, "a"), [expired("old", 0)]);
    // What is taken has time; given back it has not.
    taken.requeue();
    assert_eq!(bodies(&mut arrivals), ["young"]);
    assert_eq!(dead(&broker, "a")[1], expired("taken", 1));
    assert_eq!(broker.losses().expired, 0);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_message_passes_by_the_clock_of_the_test() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    let mut mortal = event("mortal");
    mortal.metadata.expires = Some(SystemTime::now() + Duration::from_secs(3600));
    transport.send(mortal.clone()).await.expect("sent");
    assert_eq!(bodies(&mut arrivals), ["mortal"]);
    transport.send(mortal).await.expect("sent");
    advance(Duration::from_secs(3600)).await;
    assert!(bodies(&mut arrivals).is_empty());
    assert_eq!(broker.losses().expired, 1);
    assert!(broker.dead_letters("a").is_empty());
    assert_eq!(broker.in_motion(), 0);
}

/// As in RabbitMQ: only what comes to the head of a queue is looked at.
#[tokio::test(start_paused = true)]
async fn behind_one_that_lives_an_expired_message_still_takes_up_room() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "immortal").expect("sent");
    let mut mortal = event("mortal");
    mortal.metadata.expires = Some(SystemTime::now() + Duration::from_secs(1));
    transport.send(mortal).await.expect("sent");
    advance(Duration::from_secs(2)).await;
    assert_eq!(broker.waiting("a", Lane::Event), 2);
    assert_eq!(bodies(&mut arrivals), ["immortal"]);
    assert_eq!(broker.losses().expired, 1);
}
