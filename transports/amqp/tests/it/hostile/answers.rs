//! Lies about what was published.

use super::{
    broker::{Lie, frame, header, method, returned},
    case::{
        CONFIRM,
        End::{Lost, Works},
        PUBLISH, case, each,
    },
};
use crate::raw::short;

/// An ack (80) or a nack (120).
pub(super) fn confirm(channel: u16, number: u16, tag: u64, flags: u8) -> Vec<u8> {
    method(
        channel,
        (60, number),
        &[&tag.to_be_bytes()[..], &[flags]].concat(),
    )
}

#[test]
fn a_broker_that_lies_about_what_was_published() {
    each(
        "answers::a_broker_that_lies_about_what_was_published",
        || {
            vec![
                case(
                    "a confirm of what was not sent",
                    PUBLISH,
                    Lost("a confirm of what"),
                    |channel| Lie::of(&[confirm(channel, 80, 99, 0)]),
                ),
                case(
                    "a refusal of what was not sent",
                    PUBLISH,
                    Lost("a confirm of what"),
                    |channel| Lie::of(&[confirm(channel, 120, 99, 0)]),
                ),
                case(
                    "a confirm of half of all numbers",
                    PUBLISH,
                    Lost("a confirm of what"),
                    |channel| Lie::of(&[confirm(channel, 80, 1 << 63, 1)]),
                ),
                case(
                    "a confirm too many",
                    PUBLISH,
                    Lost("a confirm of what"),
                    |channel| Lie::of(&[confirm(channel, 80, 1, 0), confirm(channel, 80, 1, 0)]),
                ),
                case(
                    "the first confirm without end",
                    PUBLISH,
                    Lost("owes confirms"),
                    |channel| Lie::default().endlessly(confirm(channel, 80, 1, 1)),
                ),
                case(
                    "a return of what was not sent",
                    CONFIRM,
                    Lost("a return of what"),
                    |channel| {
                        Lie::of(&[
                            method(channel, (85, 11), b""),
                            returned(channel),
                            header(channel, 0),
                        ])
                    },
                ),
                case(
                    "returns without end",
                    PUBLISH,
                    Lost("a return of what"),
                    |channel| {
                        let body = frame(3, channel, &[7; 1000]);
                        Lie::default()
                            .endlessly([returned(channel), header(channel, 1000), body].concat())
                    },
                ),
                case(
                    "beginnings of returns without end",
                    PUBLISH,
                    Lost("broken off"),
                    |channel| Lie::default().endlessly(returned(channel)),
                ),
                case(
                    "asks for silence",
                    PUBLISH,
                    Lost("owes confirms"),
                    |channel| {
                        Lie::of(&[method(channel, (20, 20), &[0]), confirm(channel, 80, 1, 0)])
                    },
                ),
                case(
                    "asks for speech without end",
                    PUBLISH,
                    Lost("for flow"),
                    |channel| Lie::default().endlessly(method(channel, (20, 20), &[1])),
                ),
                case(
                    "blocks and unblocks without end",
                    PUBLISH,
                    Lost("alarm"),
                    |_| {
                        let blocked = method(0, (10, 60), &short(&[b'x'; 255]));
                        Lie::default().endlessly([blocked, method(0, (10, 61), b"")].concat())
                    },
                ),
                case("blocks in Latin 1", PUBLISH, Works, |channel| {
                    let blocked = method(0, (10, 60), &short(b"caf\xe9"));
                    Lie::of(&[
                        blocked,
                        method(0, (10, 61), b""),
                        // All of them.
                        confirm(channel, 80, 0, 1),
                    ])
                }),
            ]
        },
    );
}
