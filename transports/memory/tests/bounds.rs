//! Everything that is kept is bounded, and nothing leaves without a count.

mod groups;
mod letters;
mod talk;

use std::time::{Duration, SystemTime};

use algedonic_memory::{Broker, Limits};
use algedonic_transport::{ErrorKind, Lane, Outcome, Transport};
use futures_util::{FutureExt, StreamExt};

use self::talk::{bodies, body, event, message, next, receive, refusal, send};

#[tokio::test(start_paused = true)]
async fn the_window_is_per_lane_and_frees_itself() {
    let window = 4;
    let broker = Broker::with_limits(Limits {
        window,
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let _arrivals = [
        receive(&transport, Lane::Event),
        receive(&transport, Lane::Signal),
    ];
    broker.hold_confirms();
    for _ in 0..window {
        drop(transport.send(event("forgotten by its sender")));
    }
    assert_eq!(refusal(&transport), ErrorKind::Busy);
    let signal = transport.send(message(Lane::Signal, "pain"));
    tokio::time::advance(Duration::from_secs(5)).await;
    let held = transport.send(event("there is room again"));
    broker.release_confirms();
    assert_eq!(held.await.expect("sent"), Outcome::Confirmed);
    assert!(matches!(
        signal.await,
        Ok(Outcome::Confirmed | Outcome::Unknown { .. })
    ));
}

#[test]
fn a_full_queue_rejects_and_takes_again_once_there_is_room() {
    let broker = Broker::with_limits(Limits {
        queue: 2,
        ..Limits::default()
    });
    let (full, other) = (broker.transport("full"), broker.transport("other"));
    let (mut to_full, mut to_other) = (receive(&full, Lane::Event), receive(&other, Lane::Event));
    for body in ["one", "two"] {
        assert_eq!(send(&full, body).expect("sent"), Outcome::Confirmed);
    }
    assert_eq!(bodies(&mut to_other), ["one", "two"]);
    let outcome = send(&full, "three").expect("sent");
    assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    assert_eq!(broker.waiting("full", Lane::Event), 2);
    assert_eq!(bodies(&mut to_full), ["one", "two"]);
    assert_eq!(send(&full, "four").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut to_full), ["four"]);
    assert_eq!(
        bodies(&mut to_other),
        ["three", "four"],
        "who has room gets what another refused, as in RabbitMQ"
    );
}

#[test]
fn no_more_are_delivered_than_may_be_unsettled() {
    let broker = Broker::with_limits(Limits {
        prefetch: 2,
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    for body in ["one", "two", "three"] {
        send(&transport, body).expect("sent");
    }
    let (one, two) = (next(&mut arrivals), next(&mut arrivals));
    assert!(arrivals.next().now_or_never().is_none());
    assert_eq!(broker.unsettled("a", Lane::Event), 2);
    two.ack();
    assert_eq!(body(&next(&mut arrivals)), "three");
    drop(one);
    let again = next(&mut arrivals);
    assert_eq!(
        (body(&again).as_str(), again.is_redelivered()),
        ("one", true)
    );
}

#[test]
fn what_is_given_back_returns_to_its_place() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    for body in ["one", "two", "three", "four"] {
        send(&transport, body).expect("sent");
    }
    let [one, two, three] = [0; 3].map(|_| next(&mut arrivals));
    one.requeue();
    drop(three);
    two.requeue();
    assert_eq!(bodies(&mut arrivals), ["one", "two", "three", "four"]);
}

#[test]
fn the_oldest_dead_letters_make_room_and_are_counted() {
    let broker = Broker::with_limits(Limits {
        dead_letters: 2,
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    for body in ["one", "two", "three"] {
        send(&transport, body).expect("sent");
        next(&mut arrivals).dead_letter();
    }
    let kept = broker.dead_letters("a");
    let kept: Vec<&[u8]> = kept.iter().map(|letter| &*letter.message.body).collect();
    assert_eq!(kept, [b"two".as_slice(), b"three"]);
    assert_eq!(broker.losses().dead_letters, 1);
    assert!(broker.dead_letters("nobody").is_empty());
}

#[test]
fn what_has_expired_is_not_delivered_and_is_counted() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    let mut expired = event("expired");
    expired.metadata.expires = Some(SystemTime::UNIX_EPOCH);
    transport.send(expired).now_or_never();
    send(&transport, "fresh").expect("sent");
    assert_eq!(bodies(&mut arrivals), ["fresh"]);
    assert_eq!(broker.losses().expired, 1);
}

#[test]
fn a_dropped_transport_leaves_its_messages_to_the_next_of_its_name() {
    let broker = Broker::new();
    let (first, sender) = (broker.transport("a"), broker.transport("sender"));
    let mut arrivals = receive(&first, Lane::Event);
    send(&sender, "taken").expect("sent");
    let taken = next(&mut arrivals);
    drop(first);
    assert!(arrivals.next().now_or_never().expect("ended").is_none());
    assert_eq!(
        send(&sender, "meanwhile").expect("sent"),
        Outcome::Confirmed
    );
    taken.ack();
    let second = broker.transport("a");
    let mut arrivals = receive(&second, Lane::Event);
    assert_eq!(bodies(&mut arrivals), ["taken", "meanwhile"]);
}

#[test]
fn two_of_a_name_compete() {
    let broker = Broker::new();
    let (one, two) = (broker.transport("a"), broker.transport("a"));
    let (mut to_one, mut to_two) = (receive(&one, Lane::Event), receive(&two, Lane::Event));
    send(&one, "first").expect("sent");
    send(&one, "second").expect("sent");
    let held = next(&mut to_one);
    assert_eq!(bodies(&mut to_two), ["second"]);
    drop(one);
    drop(held);
    assert_eq!(bodies(&mut to_two), ["first"]);
}
