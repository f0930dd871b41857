#![doc = include_str!("../../WIRE.md")]
#![expect(
    clippy::doc_markdown,
    reason = "WIRE.md is read as it is, too: CloudEvents without quotes"
)]
// How does a message look as AMQP properties and body? Pure, and uses nothing else of this crate: its
// bench and its fuzzer take it as it is.

mod cloudevents;
mod compact;
mod form;
mod headers;
mod moment;
mod open;
mod rfc3339;
mod trace;

use std::{borrow::Cow, ops::Deref, time::SystemTime};

use algedonic_transport::{Error, ErrorKind, EventId, Key, Lane, Message};
use bytes::{Buf, Bytes};
use lapin::{BasicProperties, types::ShortString};

pub use self::form::WireForm;

/// What most events are.
const USUAL: &str = "application/cbor";

/// What a broker takes at most, in one message: RabbitMQ from 4.0, unless it is told otherwise.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A message, ready to be published.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) id: EventId,
    pub(crate) routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Body,
}

/// What is published: the event as it was given, or an envelope with a copy of it.
#[derive(Debug)]
pub(crate) enum Body {
    Given(Bytes),
    Enveloped(Vec<u8>),
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Given(body) => body,
            Self::Enveloped(body) => body,
        }
    }
}

/// `message` as it is published. What is taken and what is refused is the same in all forms.
///
/// Its expiry is not the property `expiration`: RabbitMQ dead-letters what has expired, so that
/// stale events would push out of the bounded dead-letter queue what needs a look.
///
/// A source that does not fit a short string is cut at a character; a correlation id or a content
/// type that does not fit is `Malformed`, since half of it would be another one. So is a content type
/// that says the body is in the compact form: a reader would believe it.
pub(crate) fn encode(message: &Message, form: WireForm) -> Result<Encoded, Error> {
    let Message {
        metadata,
        content_type,
        body,
        persistent,
        ..
    } = message;
    if compact::is_form(content_type) {
        return Err(write_error(ErrorKind::Malformed)
            .with_detail("content type: is the one by which the compact form is known"));
    }
    let properties = BasicProperties::default()
        .with_priority(metadata.priority.get())
        .with_delivery_mode(if *persistent { 2 } else { 1 });
    let (properties, body) = match form {
        WireForm::Open | WireForm::CloudEvents => {
            let cloud_events = form == WireForm::CloudEvents;
            let properties = open::write(properties, metadata, content_type, cloud_events)?;
            (properties, Body::Given(body.clone()))
        }
        WireForm::Compact => {
            let (properties, body) = compact::write(properties, metadata, content_type, body)?;
            if body.len() > MAX_MESSAGE {
                return Err(write_error(ErrorKind::TooLarge).with_detail(format!(
                    "{} bytes with its envelope; at most {MAX_MESSAGE} are sent",
                    body.len()
                )));
            }
            (properties, Body::Enveloped(body))
        }
    };
    Ok(Encoded {
        id: metadata.id,
        routing_key: short("routing key", metadata.key.as_str())?,
        properties,
        body,
    })
}

/// What came from a queue of `lane` at `now`, as a message, whatever its form. The body is taken only if it
/// is one.
pub(crate) fn decode(
    lane: Lane,
    routing_key: &str,
    properties: &BasicProperties,
    body: &mut Vec<u8>,
    max_body_bytes: usize,
    now: SystemTime,
) -> Result<Message, Error> {
    let content_type = properties.content_type().as_ref();
    let is_compact = content_type.is_some_and(|text| compact::is_form(text.as_str()));
    let envelope = if is_compact { compact::MAX_ENVELOPE } else { 0 };
    bounded(body.len(), max_body_bytes.saturating_add(envelope))?;
    if let Some(headers) = properties.headers() {
        headers::check(headers).map_err(|what| malformed("headers", &what))?;
    }
    let (metadata, content_type, begins) = if is_compact {
        let read = compact::read(routing_key, properties, body, now)?;
        bounded(body.len().saturating_sub(read.2), max_body_bytes)?;
        read
    } else {
        let (metadata, content_type) = open::read(routing_key, properties, now)?;
        (metadata, content_type, 0)
    };
    let mut event = Bytes::from(std::mem::take(body));
    event.advance(begins);
    let mut message = Message::new(metadata, lane, content_type, event);
    message.persistent = *properties.delivery_mode() == Some(2);
    Ok(message)
}

fn bounded(bytes: usize, most: usize) -> Result<(), Error> {
    if bytes > most {
        let what = format!("a body of {bytes} bytes; at most {most} are accepted");
        return Err(read_error(ErrorKind::TooLarge).with_detail(what));
    }
    Ok(())
}

fn read_error(kind: ErrorKind) -> Error {
    Error::permanent(kind, "read a message from RabbitMQ")
}

fn write_error(kind: ErrorKind) -> Error {
    Error::permanent(kind, "write a message for RabbitMQ")
}

fn malformed(what: &str, error: &dyn std::fmt::Display) -> Error {
    read_error(ErrorKind::Malformed).with_detail(format!("{what}: {error}"))
}

fn key_of(what: &str, text: &str) -> Result<Key, Error> {
    Key::new(text).map_err(|error| malformed(what, &error))
}

/// The id that a message has of its sender. An empty one, and a UUID of nothing but zeros or ones, is what
/// clients write who have none: then it is a new one, since two messages must not pass for one.
fn id(properties: &BasicProperties) -> EventId {
    let text = properties.message_id().as_ref().map(ShortString::as_str);
    let id = text.filter(|text| !text.is_empty());
    id.map(EventId::from_foreign)
        .filter(|id| !matches!(id.as_u128(), 0 | u128::MAX))
        .unwrap_or_else(EventId::new)
}

/// The routing key, which is the name of most events.
fn key(routing_key: &str, name: &Key) -> Result<Key, Error> {
    if name == routing_key {
        return Ok(name.clone());
    }
    key_of("routing key", routing_key)
}

/// A media type of an event; what most events are, without a copy.
fn media_type(text: &str) -> Cow<'static, str> {
    if text == USUAL {
        Cow::Borrowed(USUAL)
    } else {
        Cow::Owned(text.to_owned())
    }
}

/// The longest short string, in bytes.
const MAX_SHORT: usize = 255;

fn too_long(field: &str, bytes: usize) -> Error {
    write_error(ErrorKind::Malformed).with_detail(format!(
        "{field}: has {bytes} bytes, AMQP allows at most {MAX_SHORT}"
    ))
}

/// Never `ShortString::from`: that panics over 255 bytes.
fn short(field: &str, text: impl Into<String>) -> Result<ShortString, Error> {
    let text = text.into();
    let length = text.len();
    ShortString::try_new(text).map_err(|_| too_long(field, length))
}

/// The longest beginning of `text` that fits a short string.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_SHORT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests;
