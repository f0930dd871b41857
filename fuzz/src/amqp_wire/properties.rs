//! Properties as a broker may hand them over.

use amq_protocol::{
    frame::WriteContext,
    protocol::basic::{gen_properties, parse_properties},
};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldArray, FieldTable, LongString, ShortString},
};

use crate::input::Input;

/// lapin's parser calls itself for each table within a table: what is longer could nest too deep for it.
const MAX_RAW: usize = 2000;

/// Chosen one by one, or from bytes; none if these are no properties.
pub(super) fn any(input: &mut Input<'_>, raw: bool) -> Option<BasicProperties> {
    if raw {
        parsed(input)
    } else {
        Some(chosen(input))
    }
}

/// As [`any`], and as they come from a broker: lapin has a type of values that it writes and never reads.
pub(crate) fn received(input: &mut Input<'_>, raw: bool) -> Option<BasicProperties> {
    if raw {
        return parsed(input);
    }
    let bytes = bytes(&chosen(input));
    let (_, properties) = parse_properties(&*bytes).ok()?;
    Some(properties)
}

fn parsed(input: &mut Input<'_>) -> Option<BasicProperties> {
    let raw = input.many_bytes();
    let (_, properties) = parse_properties(&raw[..raw.len().min(MAX_RAW)]).ok()?;
    Some(properties)
}

/// As they are on the wire.
pub(crate) fn bytes(properties: &BasicProperties) -> Vec<u8> {
    let bytes = gen_properties(properties)(WriteContext::from(Vec::new()));
    bytes.expect("memory").into_inner().0
}

/// As they come back from the wire.
pub(crate) fn over_the_wire(properties: &BasicProperties) -> BasicProperties {
    let bytes = bytes(properties);
    let (rest, properties) = parse_properties(&*bytes).expect("our own");
    assert!(rest.is_empty());
    properties
}

/// Properties of which each is there or not.
fn chosen(input: &mut Input<'_>) -> BasicProperties {
    let there = input.word();
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
        properties = properties.with_content_type(super::COMPACT.into());
    }
    if has(4) {
        properties = properties.with_timestamp(input.number());
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
    if has(12) {
        properties = properties
            .with_user_id(short(input))
            .with_cluster_id(short(input));
    }
    if has(13) {
        properties = properties
            .with_reply_to(short(input))
            .with_content_encoding(short(input));
    }
    properties
}

pub(crate) fn short(input: &mut Input<'_>) -> ShortString {
    // What stands for a byte that is no text takes three.
    ShortString::try_new(input.text()).unwrap_or_default()
}

/// A header that means something to us or to RabbitMQ, or any other.
fn name(input: &mut Input<'_>) -> ShortString {
    const KNOWN: [&str; 31] = [
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
        "cloudEvents:source",
        "cloudEvents:causationid",
        "cloudEvents_causationid",
        "CC",
        "BCC",
        "x-death",
        "x-delivery-count",
        "x-acquired-count",
        "algedonic-reason",
        "algedonic-expiration",
        "algedonic-unreadable",
        "algedonic-unreadable-properties",
    ];
    match KNOWN.get(usize::from(input.byte() % 32)) {
        Some(known) => (*known).into(),
        None => short(input),
    }
}

fn value(input: &mut Input<'_>, deep: usize) -> AMQPValue {
    match (input.byte() % 14, deep) {
        (0, _) => AMQPValue::ShortShortInt(input.byte().cast_signed()),
        (1, _) => AMQPValue::ShortShortUInt(input.byte()),
        (2, _) => AMQPValue::LongUInt(input.byte().into()),
        (3, _) => AMQPValue::LongLongInt(input.number().cast_signed()),
        (4, _) => AMQPValue::Timestamp(input.number()),
        (5, _) => AMQPValue::Double(f64::from_bits(input.number())),
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
