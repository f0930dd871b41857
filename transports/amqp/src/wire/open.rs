//! The open form: properties and headers that any client can read, and the event alone in the body.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use algedonic_transport::{CorrelationId, Error, EventId, Metadata, Priority};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

use super::{
    cloudevents::{self, Attributes},
    cut,
    headers::{self, integer_of, text_of},
    id, key, key_of, malformed, media_type,
    moment::{at, since_epoch},
    short, trace,
};

const VERSION: &str = "algedonic-version";
const ORIGIN: &str = "algedonic-origin";
const CAUSATION: &str = "algedonic-causation";
const TIME: &str = "algedonic-time";
const EXPIRES: &str = "algedonic-expires";
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

/// The properties of a message but those that all forms have.
///
/// The names of all headers are written in this room: no text that a user chose becomes one, so that
/// none can be one that RabbitMQ acts upon, such as `CC`.
pub(super) fn write(
    properties: BasicProperties,
    metadata: &Metadata,
    content_type: &str,
    cloud_events: bool,
) -> Result<BasicProperties, Error> {
    let mut headers = FieldTable::default();
    let mut header = |name: &'static str, value: AMQPValue| {
        headers.insert(ShortString::from(name), value);
    };
    let owned = |text: String| AMQPValue::LongString(LongString::from(text));
    let text = |text: &str| owned(text.to_owned());
    if metadata.version != 1 {
        header(VERSION, AMQPValue::LongLongInt(metadata.version.into()));
    }
    if let Some(origin) = metadata.origin {
        header(ORIGIN, owned(origin.to_string()));
    }
    if let Some(causation) = metadata.causation {
        header(CAUSATION, owned(causation.to_string()));
    }
    let micros = since_epoch(metadata.time, Duration::as_micros);
    header(TIME, AMQPValue::LongLongInt(micros));
    if let Some((parent, state)) = metadata.trace.as_ref().and_then(trace::write) {
        header(TRACE_PARENT, text(parent));
        if let Some(state) = state {
            header(TRACE_STATE, text(state));
        }
    }
    if let Some(expires) = metadata.expires {
        let millis = since_epoch(expires, Duration::as_millis);
        header(EXPIRES, AMQPValue::LongLongInt(millis));
    }
    if cloud_events {
        cloudevents::write(metadata, |name, value| header(name, text(value)));
    }
    let since = metadata.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(properties
        .with_message_id(short("message id", metadata.id.to_string())?)
        .with_type(short("type", metadata.name.as_str())?)
        .with_timestamp(since.as_secs())
        .with_content_type(short("content type", content_type)?)
        .with_app_id(short("source", cut(&metadata.source))?)
        .with_correlation_id(short("correlation id", metadata.correlation.to_string())?)
        .with_headers(headers))
}

/// What the properties say, and the media type of the body. What a client does not know of us has
/// left out is taken from `CloudEvents`, and then from what is known of any message.
pub(super) fn read(
    routing_key: &str,
    properties: &BasicProperties,
    now: SystemTime,
) -> Result<(Metadata, Cow<'static, str>), Error> {
    let empty = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&empty);
    let event = Attributes::of(headers);
    let event = event.as_ref();
    let attribute = |name| event.and_then(|event| event.text(name));
    let content_type = properties.content_type().as_ref();
    let content_type = content_type
        .map(ShortString::as_str)
        .or_else(|| attribute("datacontenttype"));
    let name = match (properties.kind(), attribute("type")) {
        (Some(name), _) => key_of("property type", name.as_str())?,
        (None, Some(name)) => key_of("CloudEvents type", name)?,
        (None, None) => return Err(nameless(content_type)),
    };
    let id = event
        .and_then(Attributes::id)
        .unwrap_or_else(|| id(properties));
    let time = integer_of(headers, TIME)
        .and_then(|micros| at(micros, Duration::from_micros))
        .or_else(|| event?.time("time"))
        .or_else(|| UNIX_EPOCH.checked_add(Duration::from_secs((*properties.timestamp())?)))
        .unwrap_or(now);
    let source: Arc<str> = match properties.app_id() {
        Some(source) => source.as_str().into(),
        None => attribute("source").unwrap_or("unknown").into(),
    };
    let mut metadata = Metadata::of(id, time, name, source);
    metadata.key = key(routing_key, &metadata.name)?;
    metadata.version = version(headers)?;
    // Another system's idea of an origin is none of a bus.
    metadata.origin = text_of(headers, ORIGIN).and_then(|text| text.parse().ok());
    if let Some(text) = properties.correlation_id() {
        metadata.correlation = CorrelationId::from_text(text.as_str());
    } else if let Some(text) = attribute("correlationid") {
        metadata.correlation = CorrelationId::from_text(text);
    }
    metadata.causation = text_of(headers, CAUSATION)
        .or_else(|| attribute("causationid"))
        .map(EventId::from_foreign);
    metadata.trace = trace::read(
        text_of(headers, TRACE_PARENT),
        text_of(headers, TRACE_STATE),
    )
    .or_else(|| trace::read(attribute("traceparent"), attribute("tracestate")));
    metadata.priority = Priority::new(properties.priority().unwrap_or_default());
    metadata.expires = integer_of(headers, EXPIRES)
        .and_then(|millis| at(millis, Duration::from_millis))
        .or_else(|| {
            let millis = properties.expiration().as_ref()?.as_str().parse().ok()?;
            now.checked_add(Duration::from_millis(millis))
        })
        .or_else(|| event?.time("expirytime"));
    let content_type = content_type.unwrap_or("application/octet-stream");
    Ok((metadata, media_type(content_type)))
}

fn version(headers: &FieldTable) -> Result<u32, Error> {
    match headers.inner().get(VERSION) {
        None | Some(AMQPValue::Void) => Ok(1),
        Some(value) => headers::integer(value)
            .and_then(|version| u32::try_from(version).ok())
            .ok_or_else(|| malformed(VERSION, &"not a whole number of 32 bits")),
    }
}

fn nameless(content_type: Option<&str>) -> Error {
    let error = malformed("property type", &"missing; it holds the name of the event");
    let structured = content_type.is_some_and(|text| {
        text.get(..23)
            .is_some_and(|start| start.eq_ignore_ascii_case("application/cloudevents"))
    });
    if structured {
        error.with_advice("of CloudEvents, binary mode is read, and structured mode is not")
    } else {
        error
    }
}
