use std::time::{Duration, SystemTime, UNIX_EPOCH};

use algedonic::{
    EventId,
    amqp::WireForm,
    transport::{Arrival, Lane, Message, Pattern, Transport},
};
use algedonic_test_broker::unique;
use futures_util::StreamExt;
use serde_json::{Value, json};

use super::{
    is_up,
    peer::{Body, Library, Line, Peer, hex},
    transport,
};
use crate::patience::within;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UUID: &str = "019aa797-0e80-7000-8000-000000000001";
const CBOR: &[u8] = b"\xa1\x64text\x62\xc3\xbc";

fn line(key: &str, properties: Value, headers: Value, body: Body) -> Line {
    let object = |value| serde_json::from_value(value).expect("an object");
    Line {
        key: key.into(),
        properties: object(properties),
        headers: object(headers),
        body,
    }
}

fn at(micros: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(micros)
}

/// Something of everything that another client can say.
fn open() -> Line {
    let properties = json!({
        "type": "vsm.state_change",
        "message_id": UUID,
        "content_type": "application/cbor",
        "app_id": "s3.plänner",
        "correlation_id": "order 7",
        "priority": 7,
        "delivery_mode": 2,
        "timestamp": 5,
    });
    let headers = json!({
        "algedonic-version": 300,
        "algedonic-time": 1_795_287_600_000_001_u64,
        "algedonic-expires": 1_795_287_660_000_u64,
        "algedonic-causation": "click 9",
        "traceparent": TRACE,
        "tracestate": "a=1",
        "their-own": { "nested": [1, "two", { "three": true }] },
    });
    line("s3.state_change", properties, headers, Body::Hex(hex(CBOR)))
}

fn check_open(message: &Message) {
    let metadata = &message.metadata;
    assert_eq!(
        (&*metadata.name, &*metadata.key),
        ("vsm.state_change", "s3.state_change")
    );
    assert_eq!(metadata.id.to_string(), UUID);
    assert_eq!((&*metadata.source, metadata.origin), ("s3.plänner", None));
    assert_eq!(metadata.correlation.to_string(), "order 7");
    assert_eq!((metadata.priority.get(), metadata.version), (7, 300));
    assert_eq!(metadata.time, at(1_795_287_600_000_001));
    assert_eq!(metadata.expires, Some(at(1_795_287_660_000_000)));
    assert_eq!(metadata.causation, Some(EventId::from_foreign("click 9")));
    let trace = metadata.trace.as_ref().expect("carried");
    assert_eq!(
        (&*trace.parent, trace.state.as_deref()),
        (TRACE, Some("a=1"))
    );
    assert!(message.persistent);
    assert_eq!(
        (&*message.content_type, &*message.body),
        ("application/cbor", CBOR)
    );
}

/// As little as there can be, in JSON by their own means.
fn bare() -> Line {
    let properties = json!({
        "type": "s1.note",
        "message_id": "order-7",
        "content_type": "application/json",
        "delivery_mode": 1,
        "timestamp": 1_795_287_600,
        "expiration": "60000",
    });
    let body = Body::Json(json!({ "text": "ü", "list": [1, 2.5, null] }));
    line("s1.note", properties, json!({}), body)
}

fn check_bare(message: &Message) {
    let metadata = &message.metadata;
    assert_eq!((&*metadata.name, &*metadata.key), ("s1.note", "s1.note"));
    assert_eq!(metadata.id, EventId::from_foreign("order-7"));
    assert_eq!(metadata.correlation, metadata.id.into());
    assert_eq!((&*metadata.source, metadata.version), ("unknown", 1));
    assert_eq!(metadata.time, at(1_795_287_600_000_000));
    let left = metadata
        .expires
        .expect("set")
        .duration_since(SystemTime::now());
    assert!(left.expect("ahead") <= Duration::from_secs(60));
    assert!(!message.persistent);
    assert_eq!(message.content_type, "application/json");
    let body: Value = serde_json::from_slice(&message.body).expect("JSON");
    assert_eq!(body, json!({ "text": "ü", "list": [1, 2.5, null] }));
}

/// An event of `CloudEvents`, of somebody who knows nothing else.
fn cloud_event(prefix: &str) -> Line {
    let attributes = [
        ("specversion", "1.0"),
        ("id", "7"),
        ("source", "/shops/1"),
        ("type", "com.example.order.placed"),
        ("time", "2026-11-21T20:00:00.25+01:00"),
        ("traceparent", TRACE),
    ];
    let headers = attributes.map(|(name, value)| (format!("{prefix}{name}"), Value::from(value)));
    let properties = json!({ "content_type": "application/cbor", "delivery_mode": 2 });
    let headers = Value::Object(headers.into_iter().collect());
    line("shop.order", properties, headers, Body::Hex(hex(CBOR)))
}

fn check_cloud_event(message: &Message) {
    let metadata = &message.metadata;
    assert_eq!(
        (&*metadata.name, &*metadata.key),
        ("com.example.order.placed", "shop.order")
    );
    assert_eq!(metadata.id, EventId::from_foreign("/shops/1 7"));
    assert_eq!(&*metadata.source, "/shops/1");
    assert_eq!(metadata.time, at(1_795_287_600_250_000));
    assert_eq!(&*metadata.trace.as_ref().expect("carried").parent, TRACE);
    assert_eq!(
        (&*message.content_type, &*message.body),
        ("application/cbor", CBOR)
    );
}

/// The compact form, made by hand after `WIRE.md`: a name, a source, and a field of the future.
fn compact() -> Line {
    let envelope = b"\x01\x00\x10\x01\x00\x03a.b\x03\x00\x02s1\x7f\x00\x02??";
    let body = [&envelope[..], CBOR].concat();
    let properties = json!({
        "content_type": "application/vnd.algedonic",
        "message_id": UUID.replace('-', ""),
        "priority": 3,
        "delivery_mode": 2,
    });
    line("a.c", properties, json!({}), Body::Hex(hex(&body)))
}

fn check_compact(message: &Message) {
    let metadata = &message.metadata;
    assert_eq!(
        (&*metadata.name, &*metadata.key, &*metadata.source),
        ("a.b", "a.c", "s1")
    );
    assert_eq!(metadata.id.to_string(), UUID);
    assert_eq!(metadata.priority.get(), 3);
    assert_eq!(
        (&*message.content_type, &*message.body),
        ("application/cbor", CBOR)
    );
}

type Check = fn(&Message);

async fn is_read(library: Library) {
    let prefix = unique("interop");
    let amqp = transport(&prefix, "here", WireForm::default()).await;
    let all = vec![Pattern::new("#").expect("a pattern")];
    let mut arrivals = amqp.receive(Lane::Event, all).expect("the first");
    is_up(&amqp).await;
    let messages: [(Line, Check); 5] = [
        (open(), check_open),
        (bare(), check_bare),
        (cloud_event("cloudEvents_"), check_cloud_event),
        (cloud_event("cloudEvents:"), check_cloud_event),
        (compact(), check_compact),
    ];
    let exchange = format!("{prefix}.events");
    let mut peer = Peer::start(library, "send", &exchange, messages.len()).await;
    for (line, check) in messages {
        peer.send(&line).await;
        let arrival = within("the message", arrivals.next()).await;
        match arrival.expect("open") {
            Arrival::Message(delivery) => {
                check(delivery.message());
                delivery.ack();
            }
            Arrival::Malformed(error) => panic!("{error:#}: {line:?}"),
        }
    }
    peer.finish().await;
    amqp.close(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn what_pika_writes_is_read() {
    is_read(Library::Pika).await;
}

#[tokio::test]
async fn what_aio_pika_writes_is_read() {
    is_read(Library::AioPika).await;
}

#[tokio::test]
async fn what_amqplib_writes_is_read() {
    is_read(Library::Amqplib).await;
}
