mod damaged;
mod foreign;
mod golden;
mod limits;
mod round_trip;

use std::time::{Duration, UNIX_EPOCH};

use amq_protocol::{
    frame::WriteContext,
    protocol::basic::{gen_properties, parse_properties},
};
use lapin::types::{AMQPValue, FieldTable, LongString};

use super::*;

const FORMS: [WireForm; 3] = [WireForm::Open, WireForm::CloudEvents, WireForm::Compact];
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn read(
    lane: Lane,
    key: &str,
    properties: &BasicProperties,
    body: &[u8],
) -> Result<Message, Error> {
    decode(lane, key, properties, &mut body.to_vec(), 1000, now())
}

/// A message as anybody would write it: a type, and nothing else.
fn plain() -> Message {
    let typed = BasicProperties::default().with_type("a.b".into());
    read(Lane::Event, "a.b", &typed, b"").expect("lenient")
}

/// The properties as they are on the wire, flags included.
fn bytes_of(properties: &BasicProperties) -> Vec<u8> {
    let (bytes, length) = gen_properties(properties)(WriteContext::from(Vec::new()))
        .expect("memory")
        .into_inner();
    assert_eq!(bytes.len() as u64, length);
    bytes
}

/// What a broker that stores bytes gives back.
fn over_the_wire(properties: &BasicProperties) -> BasicProperties {
    let bytes = bytes_of(properties);
    let (rest, properties) = parse_properties(&*bytes).expect("our own");
    assert!(rest.is_empty());
    properties
}

fn table(headers: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.into(), value);
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}
