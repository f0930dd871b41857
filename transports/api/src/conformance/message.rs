use std::{
    borrow::Cow,
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use crate::{BusId, CorrelationId, EventId, Key, Lane, Message, Metadata, Priority, TraceContext};

/// A plain event.
pub(super) fn event(key: &'static str) -> Message {
    message(Lane::Event, key)
}

/// A plain signal.
pub(super) fn signal(key: &'static str) -> Message {
    let mut signal = message(Lane::Signal, key);
    signal.metadata.priority = Priority::MAX;
    signal
}

/// A plain message for a lane.
pub(super) fn on(lane: Lane, key: &'static str) -> Message {
    match lane {
        Lane::Signal => signal(key),
        lane => message(lane, key),
    }
}

/// So many plain messages for a lane, each with its number as the body.
pub(super) fn many_on(lane: Lane, key: &'static str, count: usize) -> Vec<Message> {
    (0..count)
        .map(|number| Message {
            body: number.to_string().into(),
            ..on(lane, key)
        })
        .collect()
}

/// So many plain events, each with its number as the body.
pub(super) fn events(key: &'static str, count: usize) -> Vec<Message> {
    many_on(Lane::Event, key, count)
}

/// So many plain commands, each with its number as the body.
pub(super) fn commands(key: &'static str, count: usize) -> Vec<Message> {
    many_on(Lane::Command, key, count)
}

/// As [`events`], with a key made at run time.
pub(super) fn events_to(key: &str, count: usize) -> Vec<Message> {
    let key = Key::new(key).expect("words");
    let mut events = events("conformance.message", count);
    for event in &mut events {
        event.metadata.key = key.clone();
    }
    events
}

/// The ids of the messages.
pub(super) fn ids<'a>(messages: impl IntoIterator<Item = &'a Message>) -> HashSet<EventId> {
    messages
        .into_iter()
        .map(|message| message.metadata.id)
        .collect()
}

/// An event that differs from the one of any other number in as many ways as there are fields, with
/// at most so many bytes of body.
pub(super) fn varied(number: usize, most: usize) -> Message {
    let plain = event("conformance.varied");
    let id = plain.metadata.id;
    let (whole, step) = (number as u64, u32::try_from(number).unwrap_or(u32::MAX));
    let metadata = Metadata {
        version: 1 + step,
        key: Key::new(format!("conformance.varied.k_{number}-x")).expect("words"),
        source: format!("Prüfstand {number} / 台").into(),
        origin: Some(BusId::new()),
        time: plain.metadata.time - Duration::from_micros(whole * 1_001),
        correlation: match number % 3 {
            0 => CorrelationId::from(id),
            1 => CorrelationId::from(EventId::new()),
            _ => CorrelationId::from_text(&format!("order/{number} für ü")),
        },
        causation: (number % 2 == 1).then(EventId::new),
        trace: (number % 4 > 1).then(|| TraceContext {
            parent: format!("00-{:032x}-{:016x}-01", whole + 1, whole + 1).into(),
            state: (number % 4 == 3).then(|| format!("vendor=v{number},other=a b").into()),
        }),
        priority: Priority::new(u8::try_from(number % 11).unwrap_or(0)),
        expires: number.is_multiple_of(5).then(|| in_an_hour(whole)),
        ..plain.metadata
    };
    Message {
        metadata,
        content_type: match number % 3 {
            0 => Cow::Borrowed("application/cbor"),
            1 => Cow::Borrowed("text/plain; charset=utf-8"),
            _ => Cow::Owned(format!("application/vnd.test.v{number}")),
        },
        body: body(number, most),
        persistent: !number.is_multiple_of(7),
        ..plain
    }
}

fn message(lane: Lane, key: &'static str) -> Message {
    let mut metadata = Metadata::new(Key::from_static("conformance.message"), "conformance");
    metadata.key = Key::from_static(key);
    metadata.time = now();
    Message::new(metadata, lane, "text/plain", "conformance")
}

/// Nothing, every byte there is, or several frames' worth of them.
fn body(number: usize, most: usize) -> Bytes {
    let bytes = match number % 10 {
        0 => 0,
        9 => 200_000,
        _ => 256,
    };
    let every = (0..=u8::MAX).cycle().skip(number);
    every.take(bytes.min(most)).collect()
}

/// Now, in whole microseconds: what the wire keeps.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros())
}

/// An hour and some milliseconds from now, in whole milliseconds: what the wire keeps.
fn in_an_hour(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(micros() / 1_000 + 3_600_000 + milliseconds)
}

fn micros() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
