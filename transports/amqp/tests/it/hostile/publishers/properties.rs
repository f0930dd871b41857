//! The properties of class *basic*.

use std::time::{Duration, SystemTime};

use crate::raw::short;

use super::message::{
    APP, CLUSTER, CONTENT_ENCODING, CONTENT_TYPE, CORRELATION, Case,
    Comes::{Aside, Out},
    DELIVERY_MODE, EXPIRATION, ID, PRIORITY, REPLY_TO, TIMESTAMP, TYPE, USER, odd, properties,
};

pub(super) fn odd_properties() -> Vec<Case> {
    let most = || short(&[b'x'; 255]);
    let untyped = properties(&[(ID, short(b"7"))]);
    let typed = |name: &[u8]| properties(&[(TYPE, short(name))]);
    let bare = |name, properties, comes| Case {
        name,
        properties,
        body: vec![],
        comes,
    };
    vec![
        bare("no type", untyped, Aside("missing")),
        bare("an empty type", typed(b""), Aside("property type")),
        bare("a type of spaces", typed(b"a b"), Aside("property type")),
        bare(
            "a type of control characters",
            typed(b"a\x1b[2J"),
            Aside("property type"),
        ),
        bare("nothing at all", vec![0, 0], Aside("missing")),
        bare(
            "an empty body",
            typed(b"a.b"),
            Out(|message| message.body.is_empty()),
        ),
        odd("the longest id", &[(ID, most())], &[], Out(|_| true)),
        odd("an empty id", &[(ID, short(b""))], &[], Out(|_| true)),
        odd(
            "the longest correlation",
            &[(CORRELATION, most())],
            &[],
            Out(|message| message.metadata.correlation.to_string().len() == 255),
        ),
        odd(
            "a terminal's commands for a source",
            &[],
            &[(APP, short(b"\x1b[2J\r\n"))],
            Out(|message| !format!("{message:?}").contains('\u{1b}')),
        ),
        odd(
            "the highest priority",
            &[(PRIORITY, vec![255])],
            &[],
            Out(|message| message.metadata.priority.get() == 10),
        ),
        odd(
            "what survives nothing",
            &[(DELIVERY_MODE, vec![1])],
            &[],
            Out(|message| !message.persistent),
        ),
        odd(
            "the end of time",
            &[(TIMESTAMP, vec![255; 8])],
            &[],
            Out(|message| is_now(message.metadata.time)),
        ),
        odd(
            "the end of signed time",
            &[(TIMESTAMP, vec![0x7F; 8])],
            &[],
            Out(|_| true),
        ),
        odd(
            "what lasts ten years",
            &[(EXPIRATION, short(b"315360000000"))],
            &[],
            Out(|message| {
                message
                    .metadata
                    .expires
                    .is_some_and(|end| end > SystemTime::now())
            }),
        ),
        odd(
            "an encoding",
            &[(CONTENT_ENCODING, short(b"gzip"))],
            &[],
            Out(|message| message.body == "body"),
        ),
        odd(
            "properties that nobody reads",
            &[(REPLY_TO, most())],
            &[(USER, short(b"guest")), (CLUSTER, most())],
            Out(|_| true),
        ),
        odd(
            "the longest content type",
            &[(CONTENT_TYPE, most())],
            &[],
            Out(|message| message.content_type.len() == 255),
        ),
        odd(
            "CloudEvents in one piece",
            &[(CONTENT_TYPE, short(b"application/cloudevents+json"))],
            &[],
            Out(|_| true),
        ),
    ]
}

fn is_now(time: SystemTime) -> bool {
    let apart = |one: SystemTime, other| one.duration_since(other).unwrap_or_default();
    apart(time, SystemTime::now()).max(apart(SystemTime::now(), time)) < Duration::from_secs(60)
}
