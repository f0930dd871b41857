//! Whatever is written is read back, in each form; and what is written keeps to its bounds.

use std::sync::Arc;

use algedonic_transport::{BusId, CorrelationId, Metadata, Priority, TraceContext};
use proptest::{option, prelude::*};

use super::*;
use crate::wire::moment::at;

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        8 => "[a-zA-Z0-9_-]{1,8}(\\.[a-z]{1,8}){0,3}",
        1 => "[a-z]{255}",
        1 => "[A-Z0-9_-]",
    ]
    .prop_map(|text| Key::new(text).expect("a key"))
}

fn traces() -> impl Strategy<Value = TraceContext> {
    let parent = prop_oneof![
        "00-[1-9a-f]{32}-[1-9a-f]{16}-[0-9a-f]{2}",
        "cc-[1-9a-f]{32}-[1-9a-f]{16}-[0-9a-f]{2}-[ -~]{0,456}",
    ];
    let state = "[a-z][a-z0-9_*/@-]{0,20}=[!-+.-<>-~]{1,40}(,[a-z]{1,9}=[0-9a-z ]{0,60}x){0,20}";
    (parent, option::of(state)).prop_map(|(parent, state)| TraceContext {
        parent: parent.into(),
        state: state.map(Arc::from),
    })
}

/// Times that a number of 64 bits holds, and that this platform does.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -1_000_000_000_000_i64..4_000_000_000_000_000,
        1 => -i64::MAX..=i64::MAX,
        1 => prop::sample::select(vec![0, -1, 1, i64::MAX, -i64::MAX]),
    ]
}

prop_compose! {
    fn messages()(
        ids in any::<(u128, Option<u128>, Option<u128>)>(),
        version in prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()],
        name in keys(),
        key in option::of(keys()),
        source in prop_oneof![8 => ".{0,60}", 1 => "[a-z]{255}", 1 => Just(String::new())],
        micros in micros(),
        correlation in option::of(prop_oneof![8 => ".{0,60}", 1 => "[a-z]{255}"]),
        trace in option::of(traces()),
        priority in 0_u8..=10,
        expires in option::of(prop_oneof![8 => 0_i64..4_000_000_000_000, 1 => -i64::MAX / 1000..=i64::MAX / 1000]),
        content_type in prop_oneof![4 => Just("application/cbor".to_owned()), 1 => "[ -~]{0,60}", 1 => "[a-z]{255}"],
        signal in any::<bool>(),
        persistent in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) -> Message {
        let (id, origin, causation) = ids;
        let mut metadata = Metadata::new(name, source);
        metadata.id = EventId::from_u128(id);
        metadata.version = version;
        if let Some(key) = key {
            metadata.key = key;
        }
        metadata.origin = origin.map(BusId::from_u128);
        metadata.time = at(micros, Duration::from_micros).expect("in range");
        metadata.correlation = match correlation {
            Some(text) => CorrelationId::from_text(&text),
            None => metadata.id.into(),
        };
        metadata.causation = causation.map(EventId::from_u128);
        metadata.trace = trace;
        metadata.priority = Priority::new(priority);
        metadata.expires = expires.and_then(|millis| at(millis, Duration::from_millis));
        let lane = if signal { Lane::Signal } else { Lane::Event };
        let mut message = Message::new(metadata, lane, content_type, body);
        message.persistent = persistent;
        message
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(message in messages()) {
        for form in FORMS {
            let encoded = encode(&message, form).expect("fits");
            let back = read(
                message.lane,
                encoded.routing_key.as_str(),
                &over_the_wire(&encoded.properties),
                &encoded.body,
            ).expect("own message");
            prop_assert_eq!(&back.metadata, &message.metadata, "{:?}", form);
            prop_assert_eq!(
                (back.lane, &back.content_type, &back.body, back.persistent),
                (message.lane, &message.content_type, &message.body, message.persistent)
            );
            // By this, a message that the broker returns is known again.
            let id = encoded.properties.message_id().as_ref().expect("always");
            prop_assert_eq!(EventId::from_foreign(id.as_str()), message.metadata.id);
        }
    }

    /// RabbitMQ's classic queues take fewer messages per second from the 65th byte on.
    #[test]
    fn the_compact_form_s_properties_fit_64_bytes(message in messages()) {
        let encoded = encode(&message, WireForm::Compact).expect("fits");
        prop_assert_eq!(bytes_of(&encoded.properties).len(), 63);
    }

    /// No header that the broker acts upon, and no property that it checks or acts upon.
    #[test]
    fn only_the_headers_of_the_contract_are_written(message in messages()) {
        const OURS: [&str; 7] = [
            "algedonic-version", "algedonic-origin", "algedonic-causation", "algedonic-time",
            "algedonic-expires", "traceparent", "tracestate",
        ];
        const ATTRIBUTES: [&str; 6] = [
            "cloudEvents_specversion", "cloudEvents_id", "cloudEvents_source", "cloudEvents_type",
            "cloudEvents_subject", "cloudEvents_time",
        ];
        for form in FORMS {
            let properties = encode(&message, form).expect("fits").properties;
            let headers = properties.headers().clone().unwrap_or_default();
            for (name, value) in headers.inner() {
                let known = match form {
                    WireForm::Open => OURS.contains(&name.as_str()),
                    WireForm::CloudEvents => OURS.iter().chain(&ATTRIBUTES).any(|known| name.as_str() == *known),
                    WireForm::Compact => false,
                };
                prop_assert!(known, "{name} in {form:?}");
                let flat = matches!(value, AMQPValue::LongString(_) | AMQPValue::LongLongInt(_));
                prop_assert!(flat, "{name}: {value:?}");
            }
            for absent in [
                properties.user_id(), properties.expiration(), properties.reply_to(),
                properties.cluster_id(), properties.content_encoding(),
            ] {
                prop_assert_eq!(absent, &None);
            }
        }
    }

    #[test]
    fn a_long_source_is_cut_at_a_character(source in "\\PC{100,400}") {
        for form in FORMS {
            let mut message = plain();
            message.metadata.source = source.as_str().into();
            let encoded = encode(&message, form).expect("cut");
            let back = read(Lane::Event, "a.b", &encoded.properties, &encoded.body).expect("own");
            let sent = &*back.metadata.source;
            prop_assert!(source.starts_with(sent));
            prop_assert!(sent.len() == source.len() || sent.len() > 251);
        }
    }

    /// Whatever a trace holds, it costs no message; and what is left out is left out in all forms.
    #[test]
    fn a_trace_is_carried_whole_or_not_at_all(parent in ".{0,80}", state in option::of(".{0,80}")) {
        let mut message = plain();
        let state: Option<Arc<str>> = state.map(Arc::from);
        message.metadata.trace = Some(TraceContext { parent: parent.into(), state });
        let read = FORMS.map(|form| {
            let encoded = encode(&message, form).expect("fits");
            read(Lane::Event, "a.b", &encoded.properties, &encoded.body).expect("own").metadata.trace
        });
        prop_assert!(read.iter().all(|trace| trace == &read[0]));
        if let Some(trace) = &read[0] {
            let sent = message.metadata.trace.expect("set");
            prop_assert_eq!(&trace.parent, &sent.parent);
            prop_assert!(trace.state.is_none() || trace.state == sent.state);
        }
    }
}
