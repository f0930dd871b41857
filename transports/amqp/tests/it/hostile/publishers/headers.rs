//! Headers, ours and others'.

use crate::raw::long;

use super::message::{
    Case,
    Comes::{Aside, Out},
    header, number, text, with,
};

#[expect(clippy::too_many_lines, reason = "a list, one case after another")]
pub(super) fn odd_headers() -> Vec<Case> {
    let many: Vec<_> = (0..129).map(|at| number(&format!("h{at}"), at)).collect();
    let parent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    vec![
        with(
            "a version in words",
            &[text("algedonic-version", b"two")],
            Aside("algedonic-version"),
        ),
        with(
            "a version below nothing",
            &[number("algedonic-version", -1)],
            Aside("algedonic-version"),
        ),
        with(
            "a version beyond all",
            &[number("algedonic-version", 1 << 32)],
            Aside("algedonic-version"),
        ),
        with(
            "the last version",
            &[number("algedonic-version", u32::MAX.into())],
            Out(|message| message.metadata.version == u32::MAX),
        ),
        with(
            "before time began",
            &[
                number("algedonic-time", i64::MIN),
                number("algedonic-expires", i64::MIN),
            ],
            Out(|_| true),
        ),
        with(
            "after its end",
            &[
                number("algedonic-time", i64::MAX),
                number("algedonic-expires", i64::MAX),
            ],
            Out(|_| true),
        ),
        with(
            "an origin that is none",
            &[text("algedonic-origin", b"me")],
            Out(|message| message.metadata.origin.is_none()),
        ),
        with(
            "a cause that is no id",
            &[text("algedonic-causation", b"because")],
            Out(|message| message.metadata.causation.is_some()),
        ),
        with(
            "a trace that is none",
            &[text("traceparent", b"00-0-0-0")],
            Out(|message| message.metadata.trace.is_none()),
        ),
        with(
            "a trace with a bad state",
            &[
                text("traceparent", parent),
                text("tracestate", &[b'x'; 3000]),
            ],
            Out(|message| {
                message
                    .metadata
                    .trace
                    .as_ref()
                    .is_some_and(|trace| trace.state.is_none())
            }),
        ),
        with(
            "counts that nobody has counted",
            &[
                number("x-delivery-count", 1 << 30),
                number("x-acquired-count", 1 << 30),
            ],
            Out(|_| true),
        ),
        with(
            "a death that nobody died",
            &[text("x-death", b"of boredom")],
            Out(|_| true),
        ),
        with(
            "a mark of ours",
            &[text("algedonic-unreadable", b"because\x1b[2J")],
            Aside("because"),
        ),
        with(
            "reasons of a dead letter",
            &[
                text("algedonic-reason", b"none"),
                number("algedonic-attempts", 7),
            ],
            Out(|_| true),
        ),
        with(
            "a table for a number",
            &[header("algedonic-version", &[b"F", &*long(b"")].concat())],
            Aside("algedonic-version"),
        ),
        with(
            "text that is none",
            &[
                text("cloudEvents_type", b"\xff"),
                text("cloudEvents_id", b"\xff"),
            ],
            Out(|_| true),
        ),
        with("more than are read", &many, Aside("129 of them")),
        with(
            "values without an end",
            &[header("a", &[b"A", &*long(&[b'V'; 5000])].concat())],
            Aside("4096 values"),
        ),
    ]
}
