use proptest::prelude::*;

use super::*;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

prop_compose! {
    fn messages()(
        ids in any::<(u128, Option<u128>, Option<u128>)>(),
        version in any::<u32>(),
        name in "[a-zA-Z0-9_-]{1,8}(\\.[a-z]{1,8}){0,3}",
        key in "[a-zA-Z0-9_-]{1,8}(\\.[a-z]{1,8}){0,3}",
        source in ".{0,60}",
        micros in -1_000_000_000_000_i64..4_000_000_000_000_000,
        correlation in ".{1,60}",
        trace in proptest::option::of(("[ -~]{0,300}", proptest::option::of("[ -~]{0,300}"))),
        priority in 0_u8..=10,
        expires in proptest::option::of(0_i64..4_000_000_000_000),
        signal in any::<bool>(),
        persistent in any::<bool>(),
        body in proptest::collection::vec(any::<u8>(), 0..200),
    ) -> Message {
        let (id, origin, causation) = ids;
        let mut metadata = Metadata::new(Key::new(name).expect("a key"), source);
        metadata.id = EventId::from_u128(id);
        metadata.version = version;
        metadata.key = Key::new(key).expect("a key");
        metadata.origin = origin
            .map(|bits| EventId::from_u128(bits).to_string().parse().expect("a UUID"));
        metadata.time = at(micros, Duration::from_micros).expect("in range");
        metadata.correlation = CorrelationId::from_text(&correlation);
        metadata.causation = causation.map(EventId::from_u128);
        metadata.trace = trace.map(|(parent, state)| TraceContext {
            parent: parent.into(),
            state: state.map(Arc::from),
        });
        metadata.priority = Priority::new(priority);
        metadata.expires = expires.and_then(|millis| at(millis, Duration::from_millis));
        let lane = if signal { Lane::Signal } else { Lane::Event };
        let mut message = Message::new(metadata, lane, "application/cbor", body);
        message.persistent = persistent;
        message
    }
}

fn read(
    lane: Lane,
    key: &str,
    properties: &BasicProperties,
    body: &[u8],
) -> Result<Message, Error> {
    decode(lane, key, properties, &mut body.to_vec(), 1000, now())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in messages()) {
        let encoded = encode(message.clone()).expect("fits");
        let back = read(
            message.lane,
            encoded.routing_key.as_str(),
            &encoded.properties,
            &encoded.body,
        ).expect("own message");
        prop_assert_eq!(&back.metadata, &message.metadata);
        prop_assert_eq!(
            (back.lane, back.content_type, back.body, back.persistent),
            (message.lane, message.content_type, message.body, message.persistent)
        );
    }

    #[test]
    fn a_long_source_is_cut_at_a_character(source in "\\PC{100,400}") {
        let mut message = plain();
        message.metadata.source = source.as_str().into();
        let encoded = encode(message).expect("cut");
        let sent = encoded.properties.app_id().clone().expect("sent").to_string();
        prop_assert!(source.starts_with(&sent));
        prop_assert!(sent.len() == source.len() || sent.len() > 251);
    }
}

fn plain() -> Message {
    read(
        Lane::Event,
        "a.b",
        &BasicProperties::default().with_type("a.b".into()),
        b"",
    )
    .expect("lenient")
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
    assert_ne!(message.metadata.id, plain().metadata.id);
}

#[test]
fn foreign_ids_and_integers_of_any_type_are_understood() {
    for value in [
        AMQPValue::ShortShortInt(7),
        AMQPValue::ShortShortUInt(7),
        AMQPValue::ShortInt(7),
        AMQPValue::ShortUInt(7),
        AMQPValue::LongInt(7),
        AMQPValue::LongUInt(7),
        AMQPValue::LongLongInt(7),
    ] {
        let mut headers = FieldTable::default();
        headers.insert(VERSION.into(), value);
        let properties = BasicProperties::default()
            .with_type("a".into())
            .with_message_id("order 7".into())
            .with_timestamp(5)
            .with_expiration("1500".into())
            .with_headers(headers);
        let metadata = read(Lane::Event, "a", &properties, b"")
            .expect("read")
            .metadata;
        assert_eq!(metadata.version, 7);
        assert_eq!(metadata.id, EventId::from_foreign("order 7"));
        assert_eq!(metadata.time, UNIX_EPOCH + Duration::from_secs(5));
        assert_eq!(metadata.expires, Some(now() + Duration::from_millis(1500)));
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let typed = BasicProperties::default().with_type("a".into());
    let mut headers = FieldTable::default();
    headers.insert(VERSION.into(), AMQPValue::LongInt(-1));
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
            typed.clone().with_type("\u{1b}[31m".into()),
            0,
            ErrorKind::Malformed,
            "type",
        ),
        (
            "a..b",
            typed.clone(),
            0,
            ErrorKind::Malformed,
            "routing key",
        ),
        (
            "a",
            typed.clone().with_headers(headers),
            0,
            ErrorKind::Malformed,
            VERSION,
        ),
        ("a", typed, 1001, ErrorKind::TooLarge, "1001"),
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

#[test]
fn a_correlation_id_that_does_not_fit_is_refused_whole() {
    let mut message = plain();
    message.metadata.correlation = CorrelationId::from_text(&"c".repeat(256));
    let error = encode(message).expect_err("256 bytes");
    assert_eq!(error.kind(), ErrorKind::Malformed);
}

#[test]
fn the_broker_is_not_told_when_a_message_expires_and_the_reader_is() {
    let mut message = plain();
    let expires = now() + Duration::from_millis(1234);
    message.metadata.expires = Some(expires);
    let encoded = encode(message).expect("encoded");
    assert_eq!(encoded.properties.expiration(), &None);
    let back = read(Lane::Event, "a.b", &encoded.properties, b"").expect("own message");
    assert_eq!(back.metadata.expires, Some(expires));
}

#[test]
fn an_endless_trace_is_left_out() {
    let mut message = plain();
    message.metadata.trace = Some(TraceContext {
        parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
        state: Some("v".repeat(33_000).into()),
    });
    let headers = |message: Message| {
        let encoded = encode(message).expect("fits");
        let headers = encoded.properties.headers().clone().expect("some");
        [TRACE_PARENT, TRACE_STATE].map(|name| headers.contains_key(name))
    };
    assert_eq!(headers(message.clone()), [true, false]);
    let trace = message.metadata.trace.as_mut().expect("set");
    trace.parent = "p".repeat(33_000).into();
    assert_eq!(headers(message), [false, false]);
}
