//! Messages on their way to RabbitMQ and from it. Whatever the properties, headers and body of one hold,
//! reading it never panics, and takes no memory that its size does not account for; what was read is
//! written and read again as the same, in every form. Whatever an application sends is written within the
//! bounds of the protocol, and read as what it was, or refused.

mod message;
pub(crate) mod properties;

use std::time::{Duration, SystemTime};

use algedonic_transport::{CorrelationId, ErrorKind, EventId, Lane, Message};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use crate::{
    heap,
    input::Input,
    wire::{Encoded, WireForm, decode, encode},
};

const MAX_BODY: usize = 1000;
pub(crate) const COMPACT: &str = "application/vnd.algedonic";
const FORMS: [WireForm; 3] = [WireForm::Open, WireForm::CloudEvents, WireForm::Compact];

/// The input is properties, a routing key and a body; or a message.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let chosen = |bit: u8| choices >> bit & 1 == 1;
    if chosen(4) {
        return sent(&message::any(&mut input));
    }
    let Some(properties) = properties::any(&mut input, chosen(0)) else {
        return;
    };
    let key = if chosen(1) {
        input.text()
    } else {
        "fuzz.key".to_owned()
    };
    let body = if chosen(2) {
        envelope(&mut input)
    } else {
        input.many_bytes().to_vec()
    };
    let lane = [Lane::Event, Lane::Signal][usize::from(chosen(3))];
    let read = read(lane, &key, &properties, &body);
    spelled_otherwise(read.as_ref(), lane, &key, &properties, &body);
    let Some(message) = read else {
        return;
    };
    assert!(body.ends_with(&message.body) && message.body.len() <= MAX_BODY);
    assert_eq!((message.lane, &*message.metadata.key), (lane, &*key));
    for form in FORMS {
        let Some(first) = again(&message, form) else {
            continue;
        };
        same(&message, &first);
        // Now it is as exact as the wire is.
        let second = again(&first, form).expect("was written before");
        assert_eq!(second.metadata, first.metadata);
        same(&first, &second);
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn read(lane: Lane, key: &str, properties: &BasicProperties, body: &[u8]) -> Option<Message> {
    let mut body = body.to_vec();
    // The body is taken and not copied; texts are copied once, and quoted in an error in part.
    let most = 16 * 1024 + body.len() + 2 * properties::bytes(properties).len();
    match heap::within(most, || {
        decode(lane, key, properties, &mut body, MAX_BODY, now())
    }) {
        Ok(message) => Some(message),
        Err(error) => {
            assert!(!error.is_transient(), "{error}");
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Malformed | ErrorKind::TooLarge | ErrorKind::Unsupported
                ),
                "{error:?}"
            );
            assert!(error.to_string().len() < 1000, "{error}");
            None
        }
    }
}

/// The message written and read. None if it holds what no property can.
fn again(message: &Message, form: WireForm) -> Option<Message> {
    let Encoded {
        id,
        routing_key,
        properties,
        body,
    } = encode(message, form).ok()?;
    assert_eq!(id, message.metadata.id);
    // All in one frame, of the smallest that a broker of today agrees on.
    let bytes = properties::bytes(&properties);
    let most = if form == WireForm::Compact {
        63
    } else {
        8192 - 20
    };
    assert!(bytes.len() <= most, "{} bytes of properties", bytes.len());
    let properties = properties::over_the_wire(&properties);
    let message = read(message.lane, routing_key.as_str(), &properties, &body);
    Some(message.expect("our own"))
}

/// All that is exact on the wire, and the source, of which a long one is cut.
fn same(was: &Message, is: &Message) {
    let exact = |message: &Message| {
        let metadata = message.metadata.clone();
        (
            (metadata.id, metadata.name, metadata.key, metadata.version),
            (metadata.origin, metadata.correlation, metadata.causation),
            (metadata.trace, metadata.priority),
            (message.lane, message.persistent),
            (message.content_type.clone(), message.body.clone()),
        )
    };
    assert_eq!(exact(was), exact(is));
    assert!(was.metadata.source.starts_with(&*is.metadata.source));
}

/// A message of an application: taken by all forms or by none, and then read as what it was; but for a
/// trace that breaks its own rules, which is left out.
fn sent(message: &Message) {
    let refusal = |form| encode(&message, form).err();
    let refusals = FORMS.map(refusal);
    if let [Some(error), ..] = &refusals {
        assert!(
            !error.is_transient() && error.to_string().len() < 1000,
            "{error}"
        );
    }
    let kinds = refusals.map(|error| error.map(|error| error.kind()));
    assert!(
        kinds.iter().all(|kind| *kind == kinds[0]),
        "{kinds:?}: {message:?}"
    );
    if kinds[0].is_some() {
        let long = |text: &str| text.len() > 255;
        let correlation = message.metadata.correlation.to_string();
        assert!(
            long(&correlation) || long(&message.content_type) || is_compact(&message.content_type),
            "{message:?}"
        );
        return;
    }
    for form in FORMS {
        let Encoded {
            routing_key,
            properties,
            body,
            ..
        } = encode(&message, form).expect("once more");
        let bytes = properties::bytes(&properties);
        assert!(
            bytes.len() <= 8192 - 20,
            "{} bytes of properties",
            bytes.len()
        );
        let properties = properties::over_the_wire(&properties);
        let back = read_any(message.lane, routing_key.as_str(), &properties, &body);
        let mut expected = message.clone();
        if back.metadata.trace != expected.metadata.trace {
            let kept = back.metadata.trace.as_ref().map(|trace| &trace.parent);
            let had = expected.metadata.trace.as_ref().map(|trace| &trace.parent);
            assert!(kept.is_none() || kept == had);
            expected.metadata.trace.clone_from(&back.metadata.trace);
        }
        same(&expected, &back);
        time_is_near(message.metadata.time, back.metadata.time, 1);
        match (message.metadata.expires, back.metadata.expires) {
            (Some(was), Some(is)) => time_is_near(was, is, 1000),
            (was, is) => assert_eq!(was, is),
        }
    }
}

fn is_compact(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(COMPACT)
}

/// As [`read`], of what is ours, and may be large.
fn read_any(lane: Lane, key: &str, properties: &BasicProperties, body: &[u8]) -> Message {
    let message = decode(lane, key, properties, &mut body.to_vec(), 1 << 20, now());
    message.expect("our own")
}

/// Exact to so many microseconds, as far as 64 bits hold it.
fn time_is_near(was: SystemTime, is: SystemTime, micros: u64) {
    let most = Duration::from_micros(i64::MAX.unsigned_abs());
    let within = |time: SystemTime| {
        let distance = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_else(|before| before.duration());
        distance < most
    };
    if within(was) {
        let apart = was
            .duration_since(is)
            .unwrap_or_else(|later| later.duration());
        assert!(
            apart < Duration::from_micros(micros),
            "{was:?} became {is:?}"
        );
    }
}

/// Whether a message with these properties says which it is; else each reading of it is another.
pub(crate) fn has_id(properties: &BasicProperties) -> bool {
    let id = properties.message_id().as_ref();
    id.is_some_and(|id| {
        let id = id.as_str();
        !id.is_empty() && !matches!(EventId::from_foreign(id).as_u128(), 0 | u128::MAX)
    })
}

/// `CloudEvents` say the same with an underline as with a colon; and other headers mean nothing.
fn spelled_otherwise(
    read_as: Option<&Message>,
    lane: Lane,
    key: &str,
    properties: &BasicProperties,
    body: &[u8],
) {
    const UNDERLINED: &str = "cloudEvents_";
    const OLD: &str = "cloudEvents:";
    let Some(headers) = properties.headers() else {
        return;
    };
    let names = || {
        headers
            .inner()
            .keys()
            .map(lapin::types::ShortString::as_str)
    };
    let (underlined, old) = (
        names().any(|name| name.starts_with(UNDERLINED)),
        names().any(|name| name.starts_with(OLD)),
    );
    // Both at once are another case.
    if underlined == old {
        return;
    }
    let mut other = FieldTable::default();
    for (name, value) in headers.inner() {
        let name = match (
            name.as_str().strip_prefix(UNDERLINED),
            name.as_str().strip_prefix(OLD),
        ) {
            (Some(attribute), _) => format!("{OLD}{attribute}"),
            (_, Some(attribute)) => format!("{UNDERLINED}{attribute}"),
            _ => name.to_string(),
        };
        other.insert(name.as_str().into(), value.clone());
    }
    // One more than there may be would be another case, too.
    if headers.inner().len() < 128 {
        other.insert("not-in-the-contract".into(), AMQPValue::Boolean(true));
    }
    let other = properties.clone().with_headers(other);
    let read_other = read(lane, key, &other, body);
    match (read_as, read_other) {
        (None, None) => {}
        (Some(was), Some(mut is)) => {
            // Without an id each gets one of its own, and is the beginning of a conversation.
            if was.metadata.id != is.metadata.id {
                assert!(!has_id(properties), "{was:?} {is:?}");
                if is.metadata.correlation == CorrelationId::from(is.metadata.id) {
                    is.metadata.correlation = was.metadata.id.into();
                }
                is.metadata.id = was.metadata.id;
            }
            assert_eq!(was.metadata, is.metadata);
            assert_eq!(was.content_type, is.content_type);
        }
        (was, is) => panic!("{was:?} {is:?}"),
    }
}

/// A body in the compact form: right in its lengths, and arbitrary in the rest.
fn envelope(input: &mut Input<'_>) -> Vec<u8> {
    let layout = 1 + input.byte() / 255;
    let mut fields = Vec::new();
    for _ in 0..input.byte() % 16 {
        let value = input.bytes();
        fields.push(input.byte() % 14);
        fields.extend([0, u8::try_from(value.len()).unwrap_or(0)]);
        fields.extend(value);
    }
    let length = u16::try_from(fields.len()).expect("16 times 258 at most");
    let mut body = vec![layout];
    body.extend(length.to_be_bytes());
    body.extend(fields);
    body.extend(input.bytes());
    body
}
