//! Messages, and what becomes of them, for tests of one transport.

use algedonic_memory::Memory;
use algedonic_transport::{
    Arrival, BoxStream, Delivery, Error, ErrorKind, Key, Lane, Message, Metadata, Outcome, Pattern,
    Transport,
};
use futures_util::{FutureExt, StreamExt};

/// A persistent message with this body, to the key `talk`.
pub(crate) fn message(lane: Lane, body: &'static str) -> Message {
    let metadata = Metadata::new(Key::from_static("talk"), "test");
    Message::new(metadata, lane, "text/plain", body)
}

pub(crate) fn event(body: &'static str) -> Message {
    message(Lane::Event, body)
}

/// Begins to receive everything on a lane.
pub(crate) fn receive(transport: &Memory, lane: Lane) -> BoxStream<Arrival> {
    let all = Pattern::new("#").expect("a pattern");
    transport.receive(lane, vec![all]).expect("received once")
}

/// Sends an event whose outcome must be there at once.
pub(crate) fn send(transport: &Memory, body: &'static str) -> Result<Outcome, Error> {
    let outcome = transport.send(event(body)).now_or_never();
    outcome.expect("told at once")
}

/// Sends an event that must be refused; the kind of the refusal.
pub(crate) fn refusal(transport: &Memory) -> ErrorKind {
    let error = send(transport, "refused").expect_err("refused");
    assert!(error.is_transient(), "{error:?}");
    error.kind()
}

/// The next delivery, which must be there at once.
pub(crate) fn next(arrivals: &mut BoxStream<Arrival>) -> Delivery {
    match arrivals.next().now_or_never() {
        Some(Some(Arrival::Message(delivery))) => delivery,
        other => panic!("awaited a delivery, came {other:?}"),
    }
}

/// The bodies of everything that is there, acknowledged.
pub(crate) fn bodies(arrivals: &mut BoxStream<Arrival>) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(Some(Arrival::Message(delivery))) = arrivals.next().now_or_never() {
        bodies.push(body(&delivery));
        delivery.ack();
    }
    bodies
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.message().body).into_owned()
}
