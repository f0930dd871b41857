//! How does a message look as AMQP properties and body? Pure; the table for authors of foreign
//! clients is in the documentation of the crate.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use algedonic_transport::{
    CorrelationId, Error, ErrorKind, EventId, Key, Lane, Message, Metadata, Priority, TraceContext,
};
use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

const VERSION: &str = "algedonic-version";
const ORIGIN: &str = "algedonic-origin";
const CAUSATION: &str = "algedonic-causation";
const TIME: &str = "algedonic-time";
const EXPIRES: &str = "algedonic-expires";
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// The longest trace context that is carried, in bytes; a longer one is left out. All properties of
/// a message go into one frame: one that is larger than the broker takes costs the connection.
const MAX_TRACE_PARENT: usize = 512;
const MAX_TRACE_STATE: usize = 2048;

/// A message, ready to be published.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) id: EventId,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Bytes,
}

/// `message` as it is published.
///
/// Its expiry is a header and not the property `expiration`: RabbitMQ dead-letters what has expired,
/// so that stale events would push out of the bounded dead-letter queue what needs a look.
///
/// A source that does not fit a short string is cut at a character; a correlation id or a content
/// type that does not fit is `Malformed`, since half of it would be another one.
pub(crate) fn encode(message: Message) -> Result<Encoded, Error> {
    let metadata = message.metadata;
    let mut headers = FieldTable::default();
    let mut header = |name: &'static str, value: AMQPValue| {
        headers.insert(ShortString::from(name), value);
    };
    let text = |text: &str| AMQPValue::LongString(LongString::from(text));
    if metadata.version != 1 {
        header(VERSION, AMQPValue::LongLongInt(metadata.version.into()));
    }
    if let Some(origin) = metadata.origin {
        header(ORIGIN, text(&origin.to_string()));
    }
    if let Some(causation) = metadata.causation {
        header(CAUSATION, text(&causation.to_string()));
    }
    header(
        TIME,
        AMQPValue::LongLongInt(since_epoch(metadata.time, Duration::as_micros)),
    );
    if let Some(trace) = metadata
        .trace
        .filter(|trace| trace.parent.len() <= MAX_TRACE_PARENT)
    {
        header(TRACE_PARENT, text(&trace.parent));
        if let Some(state) = trace.state.filter(|state| state.len() <= MAX_TRACE_STATE) {
            header(TRACE_STATE, text(&state));
        }
    }
    if let Some(expires) = metadata.expires {
        header(
            EXPIRES,
            AMQPValue::LongLongInt(since_epoch(expires, Duration::as_millis)),
        );
    }
    let seconds = metadata
        .time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let properties = BasicProperties::default()
        .with_message_id(short("message id", &metadata.id.to_string())?)
        .with_type(short("type", &metadata.name)?)
        .with_timestamp(seconds)
        .with_content_type(short("content type", &message.content_type)?)
        .with_app_id(short("source", cut(&metadata.source))?)
        .with_correlation_id(short("correlation id", &metadata.correlation.to_string())?)
        .with_priority(metadata.priority.get())
        .with_delivery_mode(if message.persistent { 2 } else { 1 })
        .with_headers(headers);
    Ok(Encoded {
        id: metadata.id,
        routing_key: short("routing key", &metadata.key)?,
        properties,
        body: message.body,
    })
}

/// What came from a queue of `lane` at `now`, as a message. The body is taken only if it is one.
pub(crate) fn decode(
    lane: Lane,
    routing_key: &str,
    properties: &BasicProperties,
    body: &mut Vec<u8>,
    max_body_bytes: usize,
    now: SystemTime,
) -> Result<Message, Error> {
    if body.len() > max_body_bytes {
        return Err(read_error(ErrorKind::TooLarge).with_detail(format!(
            "a body of {} bytes; at most {max_body_bytes} are accepted",
            body.len()
        )));
    }
    let malformed = |what: &str, error: &dyn std::fmt::Display| {
        read_error(ErrorKind::Malformed).with_detail(format!("{what}: {error}"))
    };
    let name = properties
        .kind()
        .as_ref()
        .ok_or_else(|| malformed("property type", &"missing; it holds the name of the event"))?;
    let name = Key::new(name.as_str()).map_err(|error| malformed("property type", &error))?;
    let key = Key::new(routing_key).map_err(|error| malformed("routing key", &error))?;
    let empty = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&empty);
    let version = match headers.inner().get(VERSION) {
        None | Some(AMQPValue::Void) => 1,
        Some(value) => integer(value)
            .and_then(|version| u32::try_from(version).ok())
            .ok_or_else(|| malformed(VERSION, &"not a whole number of 32 bits"))?,
    };
    let id = match properties.message_id() {
        Some(id) => EventId::from_foreign(id.as_str()),
        None => EventId::new(),
    };
    let time = header_integer(headers, TIME)
        .and_then(|micros| at(micros, Duration::from_micros))
        .or_else(|| {
            let seconds = (*properties.timestamp())?;
            UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
        })
        .unwrap_or(now);
    let expires = header_integer(headers, EXPIRES)
        .and_then(|millis| at(millis, Duration::from_millis))
        .or_else(|| {
            let millis = properties.expiration().as_ref()?.as_str().parse().ok()?;
            now.checked_add(Duration::from_millis(millis))
        });
    let trace = header_text(headers, TRACE_PARENT).map(|parent| TraceContext {
        parent: parent.into(),
        state: header_text(headers, TRACE_STATE).map(Arc::from),
    });
    let source = properties.app_id().as_ref();
    let mut metadata = Metadata::new(name, source.map_or("unknown", ShortString::as_str));
    metadata.id = id;
    metadata.version = version;
    metadata.key = key;
    // Another system's idea of an origin is none of a bus.
    metadata.origin = header_text(headers, ORIGIN).and_then(|text| text.parse().ok());
    metadata.time = time;
    metadata.correlation = match properties.correlation_id() {
        Some(text) => CorrelationId::from_text(text.as_str()),
        None => id.into(),
    };
    metadata.causation = header_text(headers, CAUSATION).map(EventId::from_foreign);
    metadata.trace = trace;
    metadata.priority = Priority::new(properties.priority().unwrap_or_default());
    metadata.expires = expires;
    let content_type = match properties.content_type() {
        Some(text) => Cow::Owned(text.as_str().to_owned()),
        None => Cow::Borrowed("application/octet-stream"),
    };
    let mut message = Message::new(metadata, lane, content_type, std::mem::take(body));
    message.persistent = *properties.delivery_mode() == Some(2);
    Ok(message)
}

fn read_error(kind: ErrorKind) -> Error {
    Error::permanent(kind, "read a message from RabbitMQ")
}

/// Never `ShortString::from`: that panics over 255 bytes.
fn short(field: &str, text: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text).map_err(|_| {
        Error::permanent(ErrorKind::Malformed, "write a message for RabbitMQ").with_detail(format!(
            "{field}: has {} bytes, AMQP allows at most 255",
            text.len()
        ))
    })
}

/// The longest beginning of `text` that fits a short string.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn since_epoch(time: SystemTime, unit: fn(&Duration) -> u128) -> i64 {
    let count = |duration: &Duration| i64::try_from(unit(duration)).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => count(&after),
        Err(before) => -count(&before.duration()),
    }
}

fn at(count: i64, unit: fn(u64) -> Duration) -> Option<SystemTime> {
    let distance = unit(count.unsigned_abs());
    if count < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

fn header_integer(headers: &FieldTable, name: &str) -> Option<i64> {
    headers.inner().get(name).and_then(integer)
}

/// Any of AMQP's integer types: clients differ in the one they choose.
fn integer(value: &AMQPValue) -> Option<i64> {
    Some(match value {
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => *number,
        AMQPValue::Timestamp(number) => i64::try_from(*number).ok()?,
        _ => return None,
    })
}

fn header_text<'table>(headers: &'table FieldTable, name: &str) -> Option<&'table str> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        AMQPValue::ByteArray(bytes) => std::str::from_utf8(bytes.as_slice()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
