//! Messages as RabbitMQ hands them over: whatever their properties, headers and body hold, reading
//! one never panics, and what was read is written and read again as the same, in every form.

use std::time::{Duration, SystemTime};

use algedonic::transport::{Lane, Message};
use amq_protocol::{
    frame::WriteContext,
    protocol::basic::{gen_properties, parse_properties},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString},
};

use crate::{
    input::Input,
    wire::{Encoded, WireForm, decode, encode},
};

const MAX_BODY: usize = 1000;
/// lapin's parser calls itself for each table within a table: what is longer could nest too deep for it.
const MAX_RAW: usize = 2000;
const COMPACT: &str = "application/vnd.algedonic";

/// The input is properties, a routing key and a body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let choices = input.byte();
    let properties = if choices & 1 == 0 {
        chosen(&mut input)
    } else {
        let raw = input.many_bytes();
        let Ok((_, properties)) = parse_properties(&raw[..raw.len().min(MAX_RAW)]) else {
            return;
        };
        properties
    };
    let key = match choices >> 1 & 1 {
        0 => "fuzz.key".into(),
        _ => String::from_utf8_lossy(input.bytes()),
    };
    let body = match choices >> 2 & 1 {
        0 => input.many_bytes().to_vec(),
        _ => envelope(&mut input),
    };
    let lane = [Lane::Event, Lane::Signal][usize::from(choices >> 3 & 1)];
    let Some(message) = read(lane, &key, &properties, &body) else {
        return;
    };
    assert!(body.ends_with(&message.body) && message.body.len() <= MAX_BODY);
    assert_eq!((message.lane, &*message.metadata.key), (lane, &*key));
    for form in [WireForm::Open, WireForm::CloudEvents, WireForm::Compact] {
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

fn read(lane: Lane, key: &str, properties: &BasicProperties, body: &[u8]) -> Option<Message> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    match decode(lane, key, properties, &mut body.to_vec(), MAX_BODY, now) {
        Ok(message) => Some(message),
        Err(error) => {
            assert!(!error.is_transient(), "{error}");
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
    let bytes = gen_properties(&properties)(WriteContext::from(Vec::new()));
    let (bytes, _) = bytes.expect("memory").into_inner();
    assert!(form != WireForm::Compact || bytes.len() <= 64);
    let (rest, properties) = parse_properties(&*bytes).expect("our own");
    assert!(rest.is_empty());
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

/// Properties of which each is there or not.
fn chosen(input: &mut Input<'_>) -> BasicProperties {
    let there = u16::from_be_bytes([input.byte(), input.byte()]);
    let has = |bit: u16| there >> bit & 1 == 1;
    let mut properties = BasicProperties::default();
    if has(0) {
        properties = properties.with_type(short(input));
    }
    if has(1) {
        properties = properties.with_message_id(short(input));
    }
    if has(2) {
        properties = properties.with_content_type(short(input));
    }
    if has(3) {
        properties = properties.with_content_type(COMPACT.into());
    }
    if has(4) {
        properties = properties.with_timestamp(long(input));
    }
    if has(5) {
        properties = properties.with_app_id(short(input));
    }
    if has(6) {
        properties = properties.with_correlation_id(short(input));
    }
    if has(7) {
        properties = properties.with_priority(input.byte());
    }
    if has(8) {
        properties = properties.with_delivery_mode(input.byte());
    }
    if has(9) {
        properties = properties.with_expiration(short(input));
    }
    if has(10) {
        properties = properties.with_type("fuzz.name".into());
    }
    if has(11) {
        let mut headers = FieldTable::default();
        for _ in 0..input.byte() {
            let name = name(input);
            headers.insert(name, value(input, 20));
        }
        properties = properties.with_headers(headers);
    }
    properties
}

fn short(input: &mut Input<'_>) -> ShortString {
    let text = String::from_utf8_lossy(input.bytes()).into_owned();
    // What stands for a byte that is no text takes three.
    ShortString::try_new(text).unwrap_or_default()
}

fn long(input: &mut Input<'_>) -> u64 {
    u64::from_be_bytes([(); 8].map(|()| input.byte()))
}

/// A header that means something, or any other.
fn name(input: &mut Input<'_>) -> ShortString {
    const KNOWN: [&str; 19] = [
        "algedonic-version",
        "algedonic-origin",
        "algedonic-causation",
        "algedonic-time",
        "algedonic-expires",
        "traceparent",
        "tracestate",
        "cloudEvents_specversion",
        "cloudEvents_type",
        "cloudEvents_id",
        "cloudEvents_source",
        "cloudEvents_time",
        "cloudEvents_datacontenttype",
        "cloudEvents_correlationid",
        "cloudEvents_expirytime",
        "cloudEvents_traceparent",
        "cloudEvents:type",
        "cloudEvents:id",
        "cloudEvents:time",
    ];
    match KNOWN.get(usize::from(input.byte() % 20)) {
        Some(known) => (*known).into(),
        None => short(input),
    }
}

fn value(input: &mut Input<'_>, deep: usize) -> AMQPValue {
    match (input.byte() % 14, deep) {
        (0, _) => AMQPValue::ShortShortInt(input.byte().cast_signed()),
        (1, _) => AMQPValue::ShortShortUInt(input.byte()),
        (2, _) => AMQPValue::LongUInt(input.byte().into()),
        (3, _) => AMQPValue::LongLongInt(long(input).cast_signed()),
        (4, _) => AMQPValue::Timestamp(long(input)),
        (5, _) => AMQPValue::Double(f64::from_bits(long(input))),
        (6, _) => AMQPValue::ShortString(short(input)),
        (7, _) => AMQPValue::ByteArray(input.bytes().into()),
        (8, _) => AMQPValue::Boolean(true),
        (9, 1..) => {
            let values = (0..input.byte() % 8).map(|_| value(input, deep - 1));
            AMQPValue::FieldArray(FieldArray::from(values.collect::<Vec<_>>()))
        }
        (10, 1..) => {
            let mut table = FieldTable::default();
            for _ in 0..input.byte() % 8 {
                let name = name(input);
                table.insert(name, value(input, deep - 1));
            }
            AMQPValue::FieldTable(table)
        }
        (11, _) => AMQPValue::Void,
        _ => AMQPValue::LongString(LongString::from(input.bytes().to_vec())),
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
