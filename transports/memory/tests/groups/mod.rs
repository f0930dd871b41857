//! What those who share a name have in common: one queue for each lane.

use algedonic_memory::{Broker, Limits, Memory, Overflow};
use algedonic_transport::{Key, Lane, Message, Outcome, Pattern, Transport};
use futures_util::FutureExt;

use crate::talk::{bodies, body, message, next, receive};

fn send(transport: &Memory, message: Message) -> Outcome {
    let outcome = transport.send(message).now_or_never();
    outcome.expect("told at once").expect("sent")
}

#[test]
fn a_full_queue_of_commands_rejects_even_where_events_make_room() {
    let broker = Broker::with_limits(Limits {
        queue: 2,
        overflow: Overflow::DropHead,
        ..Limits::default()
    });
    let transport = broker.transport("a");
    let mut inboxes = Lane::ALL.map(|lane| receive(&transport, lane));
    for lane in Lane::ALL {
        let outcomes = ["one", "two", "three"].map(|body| send(&transport, message(lane, body)));
        let rejected = matches!(outcomes[2], Outcome::Rejected { .. });
        assert_eq!(rejected, lane == Lane::Command, "{lane}: {outcomes:?}");
    }
    let left = inboxes.each_mut().map(bodies);
    assert_eq!(left, [["two", "three"], ["two", "three"], ["one", "two"]]);
    assert_eq!(broker.dead_letters("a").len(), 2);
}

#[test]
fn who_joins_adds_to_the_interest_of_those_who_are_there() {
    let broker = Broker::new();
    let ask = |key: &'static str| {
        let mut message = message(Lane::Command, key);
        message.metadata.key = Key::from_static(key);
        message
    };
    let members = ["old", "new"].map(|keys| {
        let member = broker.transport("group");
        let pattern = Pattern::new(keys).expect("a pattern");
        let inbox = member.receive(Lane::Command, vec![pattern]);
        (member, inbox.expect("received once"))
    });
    let sender = broker.transport("sender");
    for key in ["old", "new"] {
        assert_eq!(send(&sender, ask(key)), Outcome::Confirmed);
    }
    assert_eq!(send(&sender, ask("none")), Outcome::NotRouted);
    drop(members);
    // One that comes when nobody is there says it all.
    let next = broker.transport("group");
    let old = Pattern::new("old").expect("a pattern");
    let mut inbox = next
        .receive(Lane::Command, vec![old])
        .expect("received once");
    assert_eq!(bodies(&mut inbox), ["old", "new"]);
    assert_eq!(send(&sender, ask("new")), Outcome::NotRouted);
}

#[test]
fn attempts_are_counted_whoever_made_them() {
    let broker = Broker::new();
    let [first, second] = ["group"; 2].map(|name| broker.transport(name));
    let mut inbox = receive(&first, Lane::Command);
    send(&second, message(Lane::Command, "hard"));
    for attempt in 1..=3 {
        let delivery = next(&mut inbox);
        assert_eq!(
            (delivery.attempt(), delivery.is_redelivered()),
            (attempt, attempt > 1)
        );
        delivery.requeue();
    }
    drop(first);
    let mut inbox = receive(&second, Lane::Command);
    let delivery = next(&mut inbox);
    assert_eq!(
        (delivery.attempt(), body(&delivery)),
        (4, "hard".to_owned())
    );
    delivery.ack();
}
