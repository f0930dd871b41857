//! Messages of clients that have never heard of us, or only of `CloudEvents`.

use algedonic_transport::{CorrelationId, Metadata, TraceContext};
use lapin::types::ByteArray;

use super::*;

fn metadata(properties: &BasicProperties) -> Metadata {
    let message = read(Lane::Event, "some.key", properties, b"");
    message.expect("read").metadata
}

fn seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_foreign_message_needs_no_more_than_a_type() {
    let message = plain();
    assert_eq!(message.metadata.name, "a.b");
    assert_eq!(message.metadata.version, 1);
    assert_eq!(&*message.metadata.source, "unknown");
    assert_eq!(message.metadata.origin, None);
    assert_eq!(message.metadata.time, now());
    assert_eq!(
        message.metadata.correlation,
        CorrelationId::from(message.metadata.id)
    );
    assert_eq!(message.content_type, "application/octet-stream");
    assert!(!message.persistent);
    assert_ne!(message.metadata.id, plain().metadata.id);
}

#[test]
fn ids_and_integers_of_any_type_are_understood() {
    for value in [
        AMQPValue::ShortShortInt(7),
        AMQPValue::ShortShortUInt(7),
        AMQPValue::ShortInt(7),
        AMQPValue::ShortUInt(7),
        AMQPValue::LongInt(7),
        AMQPValue::LongUInt(7),
        AMQPValue::LongLongInt(7),
        AMQPValue::Timestamp(7),
    ] {
        let headers = table([
            ("algedonic-version", value.clone()),
            ("algedonic-time", value.clone()),
        ]);
        let properties = BasicProperties::default()
            .with_type("a".into())
            .with_message_id("order 7".into())
            .with_timestamp(5)
            .with_expiration("1500".into())
            .with_headers(headers);
        let metadata = metadata(&over_the_wire(&properties));
        assert_eq!(metadata.version, 7, "{value:?}");
        assert_eq!(metadata.time, UNIX_EPOCH + Duration::from_micros(7));
        assert_eq!(metadata.id, EventId::from_foreign("order 7"));
        assert_eq!(metadata.expires, Some(now() + Duration::from_millis(1500)));
    }
}

#[test]
fn what_is_of_another_type_than_it_should_be_is_as_if_it_were_not_there() {
    let headers = table([
        ("algedonic-version", AMQPValue::Void),
        ("algedonic-time", text("yesterday")),
        ("algedonic-origin", text("none of ours")),
        ("algedonic-causation", AMQPValue::Boolean(true)),
        ("algedonic-expires", AMQPValue::Double(1.5)),
        ("traceparent", AMQPValue::LongInt(3)),
        (
            "unheard-of",
            AMQPValue::FieldTable(table([("a", AMQPValue::Void)])),
        ),
    ]);
    let properties = BasicProperties::default()
        .with_type("a".into())
        .with_timestamp(5)
        .with_priority(255)
        .with_expiration("soon".into())
        .with_headers(headers);
    let metadata = metadata(&properties);
    assert_eq!((metadata.version, metadata.time), (1, seconds(5)));
    assert_eq!((metadata.origin, metadata.causation), (None, None));
    assert_eq!((metadata.expires, metadata.trace), (None, None));
    assert_eq!(metadata.priority.get(), 10);
}

#[test]
fn a_time_that_no_clock_has_is_as_if_it_were_not_there() {
    let properties = BasicProperties::default()
        .with_type("a".into())
        .with_timestamp(u64::MAX)
        .with_headers(table([("algedonic-time", AMQPValue::Timestamp(u64::MAX))]));
    assert_eq!(metadata(&properties).time, now());
}

#[test]
fn text_may_come_as_bytes() {
    let headers = table([
        (
            "algedonic-causation",
            AMQPValue::ByteArray(ByteArray::from(&b"order 6"[..])),
        ),
        (
            "traceparent",
            AMQPValue::ByteArray(ByteArray::from(TRACE.as_bytes())),
        ),
        (
            "tracestate",
            AMQPValue::ByteArray(ByteArray::from(&b"\xff"[..])),
        ),
    ]);
    let properties = BasicProperties::default()
        .with_type("a".into())
        .with_headers(headers);
    let metadata = metadata(&properties);
    assert_eq!(metadata.causation, Some(EventId::from_foreign("order 6")));
    let trace = TraceContext {
        parent: TRACE.into(),
        state: None,
    };
    assert_eq!(metadata.trace, Some(trace));
}

/// All attributes that mean something to us, with a prefix.
fn attributes(prefix: &str) -> FieldTable {
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("specversion", text("1.0")),
        ("id", text("7")),
        ("source", text("/shops/1")),
        ("type", text("com.example.order.placed")),
        ("subject", text("order 7")),
        ("time", text("2026-11-21T20:00:00.25+01:00")),
        ("correlationid", text("basket 3")),
        ("causationid", text("click 9")),
        ("expirytime", text("2026-11-21T19:30:00Z")),
        ("traceparent", text(TRACE)),
        ("tracestate", text("a=1")),
        ("dataschema", text("https://example.com/order")),
    ] {
        headers.insert(format!("{prefix}{name}").into(), value);
    }
    headers
}

#[test]
fn an_event_of_cloudevents_is_read_with_both_prefixes() {
    for prefix in ["cloudEvents_", "cloudEvents:"] {
        let properties = BasicProperties::default()
            .with_content_type("application/cbor".into())
            .with_headers(attributes(prefix));
        let message = read(Lane::Event, "shop.order", &over_the_wire(&properties), b"x");
        let message = message.expect("read");
        let metadata = &message.metadata;
        assert_eq!(&*metadata.name, "com.example.order.placed", "{prefix}");
        assert_eq!(&*metadata.key, "shop.order");
        assert_eq!(&*metadata.source, "/shops/1");
        assert_eq!(metadata.id, EventId::from_foreign("/shops/1 7"));
        assert_eq!(
            metadata.time,
            seconds(1_795_287_600) + Duration::from_millis(250)
        );
        assert_eq!(metadata.correlation.to_string(), "basket 3");
        assert_eq!(metadata.causation, Some(EventId::from_foreign("click 9")));
        assert_eq!(metadata.expires, Some(seconds(1_795_289_400)));
        let trace = metadata.trace.as_ref().expect("carried");
        assert_eq!(
            (&*trace.parent, trace.state.as_deref()),
            (TRACE, Some("a=1"))
        );
        assert_eq!(message.content_type, "application/cbor");
    }
}

#[test]
fn an_id_of_cloudevents_is_one_of_its_source() {
    let id = |source: &str, id: &str| {
        let mut headers = attributes("cloudEvents_");
        headers.insert("cloudEvents_source".into(), text(source));
        headers.insert("cloudEvents_id".into(), text(id));
        let properties = BasicProperties::default()
            .with_message_id("made up by the client".into())
            .with_headers(headers);
        metadata(&properties).id
    };
    assert_eq!(id("/a", "7"), id("/a", "7"));
    assert_ne!(id("/a", "7"), id("/b", "7"));
    let uuid = EventId::new();
    assert_eq!(id("/a", &uuid.to_string()), uuid);
}

/// Each says the same in its own way: who wins, so that one that says both means one thing.
#[test]
fn properties_and_attributes_have_an_order() {
    let mut headers = attributes("cloudEvents_");
    headers.insert("algedonic-time".into(), AMQPValue::LongLongInt(3_000_000));
    headers.insert("algedonic-expires".into(), AMQPValue::LongLongInt(4_000));
    headers.insert("algedonic-causation".into(), text("property"));
    headers.insert("traceparent".into(), text("00-bad"));
    let properties = BasicProperties::default()
        .with_type("by.property".into())
        .with_app_id("shop".into())
        .with_correlation_id("property".into())
        .with_content_type("application/json".into())
        .with_timestamp(5)
        .with_headers(headers);
    let metadata = metadata(&properties);
    assert_eq!(&*metadata.name, "by.property");
    assert_eq!(&*metadata.source, "shop");
    assert_eq!(metadata.correlation.to_string(), "property");
    assert_eq!(metadata.causation, Some(EventId::from_foreign("property")));
    assert_eq!(
        (metadata.time, metadata.expires),
        (seconds(3), Some(seconds(4)))
    );
    assert_eq!(&*metadata.trace.expect("the other").parent, TRACE);
}

#[test]
fn what_is_missing_of_cloudevents_is_as_of_any_message() {
    let headers = table([
        ("cloudEvents:type", text("a.b")),
        ("cloudEvents:time", AMQPValue::Timestamp(9)),
    ]);
    let properties = BasicProperties::default().with_headers(headers);
    let lacking = metadata(&properties);
    assert_eq!((&*lacking.name, &*lacking.source), ("a.b", "unknown"));
    assert_eq!(lacking.time, seconds(9));

    let headers = table([
        ("cloudEvents_type", text("a.b")),
        ("cloudEvents_id", text("7")),
        ("cloudEvents_time", text("teatime")),
        ("cloudEvents_datacontenttype", text("application/json")),
        ("cloudEvents:time", text("1970-01-01T00:00:01Z")),
    ]);
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_timestamp(5);
    let message = read(Lane::Event, "a", &properties, b"").expect("read");
    assert_eq!(message.metadata.time, seconds(5), "prefixes are not mixed");
    assert_eq!(message.metadata.id, EventId::from_foreign(" 7"));
    assert_eq!(message.content_type, "application/json");

    let headers = table([
        ("cloudEvents_subject", text("a.b")),
        ("cloudEventsX", text("a.b")),
    ]);
    let properties = BasicProperties::default().with_headers(headers);
    assert!(read(Lane::Event, "a", &properties, b"").is_err(), "no type");
}

#[test]
fn structured_mode_is_refused_with_advice() {
    for content_type in [
        "application/cloudevents+json; charset=utf-8",
        "Application/CloudEvents-batch+JSON",
    ] {
        let properties = BasicProperties::default().with_content_type(content_type.into());
        let error = read(Lane::Event, "a", &properties, b"{}").expect_err("no type");
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(error.to_string().contains("binary mode"), "{error}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let typed = || BasicProperties::default().with_type("a".into());
    let with = |name, value| typed().with_headers(table([(name, value)]));
    let event = |name: &str| {
        BasicProperties::default().with_headers(table([("cloudEvents_type", text(name))]))
    };
    for (key, properties, body, kind, part) in [
        (
            "a",
            BasicProperties::default(),
            0,
            ErrorKind::Malformed,
            "type",
        ),
        (
            "a",
            typed().with_type("\u{1b}[31m".into()),
            0,
            ErrorKind::Malformed,
            "property type",
        ),
        (
            "a",
            event("\u{1b}[31m"),
            0,
            ErrorKind::Malformed,
            "CloudEvents type",
        ),
        ("a..b", typed(), 0, ErrorKind::Malformed, "routing key"),
        ("", typed(), 0, ErrorKind::Malformed, "routing key"),
        (
            "a",
            with("algedonic-version", AMQPValue::LongInt(-1)),
            0,
            ErrorKind::Malformed,
            "algedonic-version",
        ),
        (
            "a",
            with("algedonic-version", text("2")),
            0,
            ErrorKind::Malformed,
            "algedonic-version",
        ),
        ("a", typed(), 1001, ErrorKind::TooLarge, "1001"),
    ] {
        let error = read(Lane::Event, key, &properties, &vec![0; body]).expect_err(part);
        assert_eq!(error.kind(), kind);
        assert!(
            error.to_string().contains(part) && !error.is_transient(),
            "{error}"
        );
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

/// Some clients write an id that says nothing: it must not make one message of two.
#[test]
fn an_id_that_is_none_is_a_new_one() {
    for text in [
        "",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ] {
        let properties = BasicProperties::default()
            .with_type("thing".into())
            .with_message_id(text.into());
        assert_ne!(metadata(&properties).id, metadata(&properties).id, "{text}");
    }
}
