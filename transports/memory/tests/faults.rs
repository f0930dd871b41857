//! Each fault does what its documentation says, on demand and at no other time.

mod talk;

use std::time::Duration;

use algedonic_memory::Broker;
use algedonic_transport::{ErrorKind, Lane, LinkState, Outcome, Transport};
use futures_util::{FutureExt, StreamExt};

use self::talk::{bodies, body, event, message, next, receive, refusal, send};

#[test]
fn a_stop_takes_links_down_and_a_start_brings_them_back() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let _arrivals = receive(&transport, Lane::Event);
    broker.stop();
    broker.stop();
    let link = transport.link();
    assert_eq!(link.state, LinkState::Down);
    assert!(link.error.is_some_and(|error| error.is_transient()));
    assert_eq!(refusal(&transport), ErrorKind::Unavailable);
    assert_eq!(broker.transport("late").link().state, LinkState::Down);
    broker.start();
    broker.start();
    assert!(transport.link().is_up());
    assert_eq!(transport.link().connects, 2);
    assert_eq!(send(&transport, "after").expect("sent"), Outcome::Confirmed);
}

#[test]
fn a_stop_makes_what_is_in_flight_unknown_and_keeps_what_was_stored() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "taken").expect("sent");
    send(&transport, "waiting").expect("sent");
    let taken = next(&mut arrivals);
    broker.hold_confirms();
    let in_flight = transport.send(event("in flight"));
    broker.stop();
    let outcome = in_flight.now_or_never().expect("told by the stop");
    assert!(
        matches!(outcome, Ok(Outcome::Unknown { .. })),
        "{outcome:?}"
    );
    assert!(
        arrivals.next().now_or_never().is_none(),
        "nothing comes from a stopped broker"
    );
    taken.ack();
    broker.start();
    let again = next(&mut arrivals);
    assert!(again.is_redelivered(), "the ack did not reach the broker");
    assert_eq!(body(&again), "taken");
    again.ack();
    assert_eq!(bodies(&mut arrivals), ["waiting", "in flight"]);
}

#[test]
fn a_stop_loses_what_is_not_persistent_and_counts_it() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    let mut transient = event("transient");
    transient.persistent = false;
    let outcome = transport.send(transient).now_or_never();
    assert!(matches!(outcome, Some(Ok(Outcome::Confirmed))));
    send(&transport, "persistent").expect("sent");
    broker.stop();
    broker.start();
    assert_eq!(bodies(&mut arrivals), ["persistent"]);
    assert_eq!(broker.losses().transient, 1);
}

#[tokio::test(start_paused = true)]
async fn held_confirms_are_told_when_released() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    broker.hold_confirms();
    let mut wanted = transport.send(event("wanted"));
    let unwanted = transport.send(message(Lane::Signal, "unwanted"));
    assert!((&mut wanted).now_or_never().is_none(), "held");
    assert_eq!(bodies(&mut arrivals), ["wanted"], "stored at once");
    broker.release_confirms();
    assert_eq!(wanted.await.expect("sent"), Outcome::Confirmed);
    assert_eq!(unwanted.await.expect("sent"), Outcome::NotRouted);
    assert_eq!(send(&transport, "next").expect("sent"), Outcome::Confirmed);
}

#[tokio::test(start_paused = true)]
async fn held_confirms_are_unknown_at_their_deadline() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    broker.hold_confirms();
    let before = tokio::time::Instant::now();
    let outcome = transport.send(event("late")).await.expect("sent");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(bodies(&mut arrivals), ["late"]);
}

#[test]
fn rejected_messages_are_not_stored() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    broker.reject_next(2);
    for body in ["one", "two"] {
        let outcome = send(&transport, body).expect("sent");
        assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}");
    }
    assert_eq!(send(&transport, "three").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut arrivals), ["three"]);
}

#[test]
fn a_blocked_broker_refuses_senders_and_serves_receivers() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    send(&transport, "before").expect("sent");
    broker.block();
    assert_eq!(transport.link().state, LinkState::Blocked);
    assert_eq!(refusal(&transport), ErrorKind::Unavailable);
    assert_eq!(bodies(&mut arrivals), ["before"]);
    broker.stop();
    broker.start();
    assert_eq!(
        transport.link().state,
        LinkState::Blocked,
        "as long as it is not unblocked"
    );
    broker.unblock();
    assert!(transport.link().is_up());
    assert_eq!(send(&transport, "after").expect("sent"), Outcome::Confirmed);
}

#[test]
fn a_lost_confirm_is_unknown_and_the_message_arrives() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    broker.lose_confirms(1);
    let outcome = send(&transport, "lost").expect("sent");
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(send(&transport, "next").expect("sent"), Outcome::Confirmed);
    assert_eq!(bodies(&mut arrivals), ["lost", "next"]);
}

#[test]
fn redelivery_concerns_one_receiver_and_what_it_has_not_settled() {
    let broker = Broker::new();
    let (a, b) = (broker.transport("a"), broker.transport("b"));
    let (mut to_a, mut to_b) = (receive(&a, Lane::Event), receive(&b, Lane::Event));
    for body in ["acked", "one", "two", "three"] {
        send(&a, body).expect("sent");
    }
    next(&mut to_a).ack();
    let stale = [next(&mut to_a), next(&mut to_a)];
    let other = next(&mut to_b);
    broker.redeliver("a");
    assert_eq!((a.link().connects, b.link().connects), (2, 1));
    assert!(a.link().is_up());
    for delivery in stale {
        delivery.ack();
    }
    let again = next(&mut to_a);
    assert!(again.is_redelivered());
    again.ack();
    assert_eq!(bodies(&mut to_a), ["two", "three"]);
    other.ack();
    assert_eq!(bodies(&mut to_b), ["one", "two", "three"]);
}

#[test]
fn a_message_delivered_twice_is_not_marked_as_such() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let mut arrivals = receive(&transport, Lane::Event);
    broker.deliver_twice(1);
    send(&transport, "twice").expect("sent");
    send(&transport, "once").expect("sent");
    let copies = [next(&mut arrivals), next(&mut arrivals)];
    for copy in copies {
        assert_eq!(
            (body(&copy).as_str(), copy.is_redelivered()),
            ("twice", false)
        );
        copy.ack();
    }
    assert_eq!(bodies(&mut arrivals), ["once"]);
}

#[tokio::test(start_paused = true)]
async fn a_close_is_cut_off_at_its_deadline_even_if_nobody_waits_for_it() {
    let broker = Broker::new();
    let transport = broker.transport("a");
    let _arrivals = receive(&transport, Lane::Event);
    broker.hold_confirms();
    let in_flight = [transport.send(event("one")), transport.send(event("two"))];
    drop(transport.close(Duration::from_secs(1)));
    assert!(transport.link().is_up(), "it waits for the confirms");
    let mut links = transport.links();
    while links.next().await.is_some() {}
    assert_eq!(transport.link().state, LinkState::Closed);
    for outcome in in_flight {
        assert!(matches!(outcome.await, Ok(Outcome::Unknown { .. })));
    }
    assert_eq!(transport.close(Duration::ZERO).await.unknown, 2);
}
