use std::time::{Duration, UNIX_EPOCH};

use algedonic::{
    CorrelationId, EventId, Key, Metadata, Priority, TraceContext,
    amqp::{Amqp, WireForm},
    transport::{BusId, Lane, Message, Outcome, Transport},
};
use algedonic_test_broker::unique;
use serde_json::{Value, json};

use super::{
    is_up,
    peer::{Body, Library, Line, Peer, hex},
    transport,
};
use crate::patience::within;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Every byte that there is: no client reads a body that is not JSON.
fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

/// An event with everything.
fn full() -> Message {
    let time = UNIX_EPOCH + Duration::from_micros(1_795_287_600_000_001);
    let name = Key::from_static("vsm.state_change");
    let mut metadata = Metadata::of(EventId::at(time), time, name, "s3.plänner");
    metadata.version = 2;
    metadata.key = Key::from_static("s3.state_change");
    metadata.origin = Some(BusId::new());
    metadata.correlation = CorrelationId::from_text("order 7");
    metadata.causation = Some(EventId::new());
    metadata.trace = Some(TraceContext {
        parent: TRACE.into(),
        state: Some("a=1".into()),
    });
    metadata.priority = Priority::new(5);
    metadata.expires = Some(UNIX_EPOCH + Duration::from_secs(1_795_287_660));
    Message::new(metadata, Lane::Event, "application/cbor", every_byte())
}

/// One with as little as there can be, that need not survive.
fn bare() -> Message {
    let time = UNIX_EPOCH + Duration::from_secs(1_795_287_600);
    let name = Key::from_static("s1.note");
    let metadata = Metadata::of(EventId::at(time), time, name, "s1");
    let body = br#"{"text":"\u00fc","list":[1,2.5,null]}"#.to_vec();
    let mut message = Message::new(metadata, Lane::Event, "application/json", body);
    message.persistent = false;
    message
}

async fn send(amqp: &Amqp, message: Message) {
    let outcome = within("the outcome", amqp.send(message)).await;
    assert_eq!(outcome.expect("sent"), Outcome::Confirmed);
}

/// What is wanted, of what was seen; the rest of the properties is not there.
fn check(seen: &Line, key: &str, properties: Value, headers: &Value, body: &Body) {
    assert_eq!(seen.key, key);
    let mut properties: std::collections::BTreeMap<String, Value> =
        serde_json::from_value(properties).expect("an object");
    for name in seen.properties.keys() {
        properties.entry(name.clone()).or_insert(Value::Null);
    }
    assert_eq!(seen.properties, properties);
    assert_eq!(&json!(seen.headers), headers);
    assert_eq!(&seen.body, body);
}

fn check_open(seen: [Line; 2], [full, bare]: &[Message; 2], cloud_events: bool) {
    let [first, second] = seen;
    let metadata = &full.metadata;
    let mut headers = json!({
        "algedonic-version": 2,
        "algedonic-origin": metadata.origin.expect("set").to_string(),
        "algedonic-causation": metadata.causation.expect("set").to_string(),
        "algedonic-time": 1_795_287_600_000_001_u64,
        "algedonic-expires": 1_795_287_660_000_u64,
        "traceparent": TRACE,
        "tracestate": "a=1",
    });
    let mut bare_headers = json!({ "algedonic-time": 1_795_287_600_000_000_u64 });
    if cloud_events {
        for (headers, message, source, time) in [
            (
                &mut headers,
                full,
                "s3.pl%C3%A4nner",
                "2026-11-21T19:00:00.000001Z",
            ),
            (&mut bare_headers, bare, "s1", "2026-11-21T19:00:00.000000Z"),
        ] {
            let metadata = &message.metadata;
            for (name, value) in [
                ("specversion", "1.0"),
                ("id", &metadata.id.to_string()),
                ("source", source),
                ("type", &metadata.name),
                ("subject", &metadata.key),
                ("time", time),
            ] {
                headers[format!("cloudEvents_{name}")] = value.into();
            }
        }
    }
    let properties = json!({
        "type": "vsm.state_change",
        "message_id": metadata.id.to_string(),
        "content_type": "application/cbor",
        "app_id": "s3.plänner",
        "correlation_id": "order 7",
        "priority": 5,
        "delivery_mode": 2,
        "timestamp": 1_795_287_600,
    });
    check(
        &first,
        "s3.state_change",
        properties,
        &headers,
        &Body::Hex(hex(&every_byte())),
    );
    let properties = json!({
        "type": "s1.note",
        "message_id": bare.metadata.id.to_string(),
        "content_type": "application/json",
        "app_id": "s1",
        "correlation_id": bare.metadata.id.to_string(),
        "priority": 0,
        "delivery_mode": 1,
        "timestamp": 1_795_287_600,
    });
    let body = Body::Json(json!({ "text": "ü", "list": [1, 2.5, null] }));
    check(&second, "s1.note", properties, &bare_headers, &body);
}

/// A client that does not know the compact form sees whose message it is, and can pass it on.
fn check_compact(seen: [Line; 2], messages: &[Message; 2]) {
    for (line, message) in seen.into_iter().zip(messages) {
        let metadata = &message.metadata;
        let Body::Hex(body) = line.body.clone() else {
            panic!("read as JSON: {line:?}");
        };
        assert!(
            body.starts_with("01") && body.ends_with(&hex(&message.body)),
            "{body}"
        );
        let properties = json!({
            "message_id": metadata.id.to_string().replace('-', ""),
            "content_type": "application/vnd.algedonic",
            "priority": metadata.priority.get(),
            "delivery_mode": if message.persistent { 2 } else { 1 },
        });
        check(
            &line,
            &metadata.key,
            properties,
            &json!({}),
            &Body::Hex(body),
        );
    }
}

async fn reads_ours(library: Library) {
    let prefix = unique("interop");
    let forms = [WireForm::Open, WireForm::CloudEvents, WireForm::Compact];
    // It declares the exchange.
    let first = transport(&prefix, "first", forms[0]).await;
    is_up(&first).await;
    let exchange = format!("{prefix}.events");
    let mut peer = Peer::start(library, "read", &exchange, 2 * forms.len()).await;
    peer.says("ready").await;
    let messages = [full(), bare()];
    for form in forms {
        let amqp = transport(&prefix, "next", form).await;
        is_up(&amqp).await;
        let mut seen = Vec::new();
        for message in &messages {
            send(&amqp, message.clone()).await;
            seen.push(peer.message().await);
        }
        let seen = seen.try_into().expect("two");
        match form {
            WireForm::Open => check_open(seen, &messages, false),
            WireForm::CloudEvents => check_open(seen, &messages, true),
            _ => check_compact(seen, &messages),
        }
        amqp.close(Duration::from_secs(2)).await;
    }
    peer.finish().await;
    first.close(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn pika_reads_what_we_write() {
    reads_ours(Library::Pika).await;
}

#[tokio::test]
async fn aio_pika_reads_what_we_write() {
    reads_ours(Library::AioPika).await;
}

#[tokio::test]
async fn amqplib_reads_what_we_write() {
    reads_ours(Library::Amqplib).await;
}
