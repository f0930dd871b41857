//! The compact form, of a newer writer, of another, and broken.

use proptest::prelude::*;

use super::*;

fn properties() -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/vnd.algedonic".into())
        .with_message_id("order 7".into())
}

/// An envelope of these fields, in front of `event`.
fn envelope(fields: &[(u8, &[u8])], event: &[u8]) -> Vec<u8> {
    let mut inner = Vec::new();
    for (tag, value) in fields {
        inner.push(*tag);
        inner.extend(u16::try_from(value.len()).expect("short").to_be_bytes());
        inner.extend(*value);
    }
    let mut body = vec![1];
    body.extend(u16::try_from(inner.len()).expect("short").to_be_bytes());
    body.extend(inner);
    body.extend(event);
    body
}

#[test]
fn a_name_is_enough() {
    let body = envelope(&[(1, b"a.b")], b"event");
    let message = read(Lane::Signal, "x.y", &properties(), &body).expect("read");
    let metadata = &message.metadata;
    assert_eq!((&*metadata.name, &*metadata.key), ("a.b", "x.y"));
    assert_eq!(metadata.id, EventId::from_foreign("order 7"));
    assert_eq!(metadata.correlation, metadata.id.into());
    assert_eq!((metadata.version, metadata.time), (1, now()));
    assert_eq!((&*metadata.source, metadata.origin), ("unknown", None));
    assert_eq!((metadata.trace.as_ref(), metadata.expires), (None, None));
    assert_eq!(
        (&*message.content_type, &*message.body),
        ("application/cbor", &b"event"[..])
    );
    assert!(!message.persistent);
}

#[test]
fn the_media_type_may_have_parameters() {
    let body = envelope(&[(1, b"a.b")], b"event");
    let properties = properties().with_content_type("Application/Vnd.Algedonic; a=b".into());
    assert_eq!(
        read(Lane::Event, "a", &properties, &body)
            .expect("read")
            .body,
        "event"
    );
}

#[test]
fn unknown_fields_are_skipped_wherever_they_stand() {
    let body = envelope(
        &[
            (0, b"?"),
            (200, b""),
            (1, b"a"),
            (12, &[7; 300]),
            (5, &[0, 0, 0, 9]),
            (12, b"again"),
        ],
        b"event",
    );
    let message = read(Lane::Event, "a", &properties(), &body).expect("read");
    assert_eq!(
        (message.metadata.version, &*message.body),
        (9, &b"event"[..])
    );
}

#[test]
fn what_is_broken_says_where() {
    let name: (u8, &[u8]) = (1, b"a");
    let long = [b'x'; 256];
    for (body, part) in [
        (vec![], "cut short"),
        (vec![1, 0], "cut short"),
        (vec![1, 0, 1], "cut short"),
        (vec![1, 0, 2, 1, 0], "cut short"),
        (vec![1, 0, 4, 1, 0, 2, b'a'], "cut short"),
        (vec![1, 0, 0, 1, 0, 1, b'a'], "field 1 is missing"),
        (envelope(&[], b"event"), "field 1 is missing"),
        (envelope(&[(1, b"")], b""), "field 1"),
        (envelope(&[(1, b"a..b")], b""), "field 1"),
        (envelope(&[(1, b"\xff")], b""), "field 1: invalid utf-8"),
        (envelope(&[name, name], b""), "field 1 stands twice"),
        (envelope(&[name, (2, &long)], b""), "field 2 has 256 bytes"),
        (envelope(&[name, (3, &long)], b""), "field 3 has 256 bytes"),
        (
            envelope(&[name, (4, &[0; 7])], b""),
            "field 4 has 7 bytes, and must have 8",
        ),
        (
            envelope(&[name, (5, &[0; 8])], b""),
            "field 5 has 8 bytes, and must have 4",
        ),
        (
            envelope(&[name, (6, &[])], b""),
            "field 6 has 0 bytes, and must have 16",
        ),
        (
            envelope(&[name, (7, b"\xc3")], b""),
            "field 7: incomplete utf-8",
        ),
        (
            envelope(&[name, (8, &[0; 17])], b""),
            "field 8 has 17 bytes, and must have 16",
        ),
        (
            envelope(&[name, (11, &[0; 9])], b""),
            "field 11 has 9 bytes, and must have 8",
        ),
    ] {
        let error = read(Lane::Event, "a", &properties(), &body).expect_err(part);
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(!error.is_transient());
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn another_layout_asks_for_an_update() {
    for layout in [0, 2, 255] {
        let mut body = envelope(&[(1, b"a")], b"");
        body[0] = layout;
        let error = read(Lane::Event, "a", &properties(), &body).expect_err("not known");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("update"), "{error}");
    }
}

#[test]
fn a_bad_trace_costs_no_message() {
    for trace in [b"00-nonsense".to_vec(), vec![b'x'; 60_000]] {
        let body = envelope(&[(1, b"a"), (9, &trace), (10, b"a=1")], b"");
        let message = read(Lane::Event, "a", &properties(), &body).expect("read");
        assert_eq!(message.metadata.trace, None);
    }
}

proptest! {
    #[test]
    fn no_body_panics_and_none_is_longer_than_it_came(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec((0_u8..14, prop::collection::vec(any::<u8>(), 0..20)), 0..6)
                .prop_map(|fields| {
                    let fields: Vec<_> = fields.iter().map(|(tag, value)| (*tag, &**value)).collect();
                    envelope(&fields, b"event")
                }),
        ],
    ) {
        if let Ok(message) = read(Lane::Event, "a", &properties(), &body) {
            prop_assert!(body.ends_with(&message.body));
        }
    }

    #[test]
    fn a_part_of_an_envelope_is_none(cut in 0_usize..1000) {
        let whole = encode(&plain(), WireForm::Compact).expect("fits");
        let fields = usize::from(u16::from_be_bytes([whole.body[1], whole.body[2]])) + 3;
        let cut = cut % fields;
        let result = read(Lane::Event, "a", &whole.properties, &whole.body[..cut]);
        prop_assert!(result.is_err(), "{cut} of {fields} bytes");
    }
}
