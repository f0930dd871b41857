//! What is refused before lapin sees it, and what is refused of what comes.

use algedonic_transport::{CorrelationId, TraceContext};
use lapin::types::FieldArray;

use super::*;

#[test]
fn all_forms_refuse_the_same_and_take_the_same() {
    let message = |correlation: usize, content_type: String| {
        let mut message = plain();
        message.metadata.correlation = CorrelationId::from_text(&"c".repeat(correlation));
        message.content_type = content_type.into();
        message
    };
    let json = || "application/json".to_owned();
    for (message, refused) in [
        (message(255, json()), None),
        (message(256, json()), Some("correlation id: has 256 bytes")),
        (message(1, "t".repeat(255)), None),
        (
            message(1, "t".repeat(256)),
            Some("content type: has 256 bytes"),
        ),
        (
            message(1, "application/vnd.algedonic".into()),
            Some("content type"),
        ),
        (
            message(1, "Application/VND.Algedonic ; a=b".into()),
            Some("content type"),
        ),
        (message(1, "application/vnd.algedonic2".into()), None),
        (message(1, String::new()), None),
    ] {
        for form in FORMS {
            let result = encode(&message, form);
            let Some(part) = refused else {
                result.expect("taken");
                continue;
            };
            let error = result.expect_err(part);
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(!error.is_transient());
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}

#[test]
fn a_body_that_its_envelope_makes_too_large_for_the_broker_is_refused() {
    let mut message = plain();
    message.body = vec![0; MAX_MESSAGE].into();
    let error = encode(&message, WireForm::Compact).expect_err("over 16 MiB");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    encode(&message, WireForm::Open).expect("16 MiB");
}

#[test]
fn the_broker_is_not_told_when_a_message_expires_and_the_reader_is() {
    for form in FORMS {
        let mut message = plain();
        let expires = now() + Duration::from_millis(1234);
        message.metadata.expires = Some(expires);
        let encoded = encode(&message, form).expect("encoded");
        assert_eq!(encoded.properties.expiration(), &None);
        let back = read(Lane::Event, "a.b", &encoded.properties, &encoded.body).expect("own");
        assert_eq!(back.metadata.expires, Some(expires));
    }
}

/// All properties of a message go into one frame, which has a bound.
#[test]
fn the_longest_properties_are_far_from_a_frame() {
    let mut message = plain();
    let long = || Key::new("k".repeat(255)).expect("a key");
    message.metadata.name = long();
    message.metadata.key = long();
    message.metadata.source = "\u{1b}".repeat(100_000).into();
    message.metadata.correlation = CorrelationId::from_text(&"c".repeat(255));
    message.metadata.trace = Some(TraceContext {
        parent: format!("cc{}-{}", &TRACE[2..], "p".repeat(456)).into(),
        state: Some(vec![format!("k={}", "v".repeat(61)); 32].join(",").into()),
    });
    let read = |message: &Message| {
        let encoded = encode(message, WireForm::CloudEvents).expect("fits");
        let back = read(Lane::Event, "a", &encoded.properties, b"").expect("own");
        (bytes_of(&encoded.properties).len(), back.metadata.trace)
    };
    let (bytes, trace) = read(&message);
    assert!((4000..6000).contains(&bytes), "{bytes}");
    assert_eq!(trace, message.metadata.trace);
    // Longer still, it is left out.
    let sent = message.metadata.trace.as_mut().expect("set");
    sent.state = Some("v".repeat(33_000).into());
    assert_eq!(read(&message).1.expect("the parent").state, None);
    let sent = message.metadata.trace.as_mut().expect("set");
    sent.parent = "p".repeat(33_000).into();
    assert_eq!(read(&message).1, None);
}

#[test]
fn the_body_is_bounded_without_its_envelope() {
    for form in FORMS {
        let mut message = plain();
        message.metadata.correlation = CorrelationId::from_text(&"c".repeat(255));
        for (bytes, fits) in [(1000, true), (1001, false)] {
            message.body = vec![7; bytes].into();
            let encoded = encode(&message, form).expect("sent");
            let result = read(Lane::Event, "a", &encoded.properties, &encoded.body);
            match result {
                Ok(back) => assert!(fits && back.body.len() == bytes),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                    assert!(!fits && error.to_string().contains(&bytes.to_string()));
                }
            }
        }
    }
    // And with it: nobody has to look through what cannot be right.
    let properties =
        BasicProperties::default().with_content_type("application/vnd.algedonic".into());
    let body = vec![0; 1000 + compact::MAX_ENVELOPE + 1];
    let error = read(Lane::Event, "a", &properties, &body).expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

/// `depth` lists in each other.
fn nested(depth: usize) -> AMQPValue {
    (0..depth).fold(AMQPValue::Boolean(true), |inner, level| {
        if level % 2 == 0 {
            AMQPValue::FieldArray(FieldArray::from(vec![inner]))
        } else {
            AMQPValue::FieldTable(table([("inner", inner)]))
        }
    })
}

#[test]
fn headers_are_bounded_in_number_depth_and_values() {
    let many = |count: usize| {
        let mut headers = FieldTable::default();
        for number in 0..count {
            headers.insert(format!("h{number}").into(), AMQPValue::Void);
        }
        headers
    };
    let wide = |values: usize| {
        let array = vec![AMQPValue::Void; values];
        table([("wide", AMQPValue::FieldArray(FieldArray::from(array)))])
    };
    for (headers, refused) in [
        (many(128), None),
        (many(129), Some("129")),
        (table([("deep", nested(16))]), None),
        (table([("deep", nested(17))]), Some("deep")),
        (table([("deep", nested(500))]), Some("deep")),
        (wide(4095), None),
        (wide(4096), Some("4096")),
    ] {
        let properties = BasicProperties::default()
            .with_type("a".into())
            .with_headers(headers);
        match read(Lane::Event, "a", &properties, b"") {
            Ok(_) => assert_eq!(refused, None),
            Err(error) => {
                let part = refused.expect("within the bounds");
                assert_eq!(error.kind(), ErrorKind::Malformed);
                assert!(error.to_string().contains(part), "{error}");
                assert!(error.to_string().contains("headers"), "{error}");
            }
        }
    }
}
