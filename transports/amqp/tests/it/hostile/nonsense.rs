//! What no broker has to say, and what cannot be said at all.

use super::{
    broker::{Lie, frame, header, method},
    case::{CONFIRM, DECLARE, End::Lost, bomb, case, close, delivery, each},
};
use crate::raw::short;

#[test]
#[expect(clippy::too_many_lines, reason = "a list, one case after another")]
fn a_broker_that_talks_nonsense() {
    each("nonsense::a_broker_that_talks_nonsense", || {
        vec![
            // Only clients send these, and each has a table.
            case(
                "an exchange that nests",
                DECLARE,
                Lost("no broker sends"),
                |channel| {
                    let before = [vec![0, 0], short(b"e"), short(b"topic"), vec![0]];
                    Lie::of(&[bomb(channel, (40, 10), &before)])
                },
            ),
            case(
                "a queue that nests",
                DECLARE,
                Lost("no broker sends"),
                |channel| Lie::of(&[bomb(channel, (50, 10), &[vec![0, 0], short(b"q"), vec![0]])]),
            ),
            case(
                "a consumer that nests",
                DECLARE,
                Lost("no broker sends"),
                |channel| {
                    let before = [vec![0, 0], short(b"q"), short(b"c"), vec![0]];
                    Lie::of(&[bomb(channel, (60, 20), &before)])
                },
            ),
            case(
                "closes a channel in Latin 1",
                DECLARE,
                Lost("PRECONDITION_FAILED - "),
                |channel| Lie::of(&[close(channel, 20, 406, b"PRECONDITION_FAILED - caf\xe9")]),
            ),
            case(
                "closes the connection and goes on",
                DECLARE,
                Lost("FORCED"),
                |channel| {
                    Lie::of(&[close(0, 10, 320, b"CONNECTION_FORCED - so")]).endlessly(method(
                        channel,
                        (40, 11),
                        b"",
                    ))
                },
            ),
            case(
                "a method of no class",
                CONFIRM,
                Lost("no broker sends"),
                |channel| Lie::of(&[method(channel, (99, 1), b"")]),
            ),
            case(
                "a method that is cut short",
                CONFIRM,
                Lost("no known class"),
                |channel| Lie::of(&[frame(1, channel, &[0, 60, 0])]),
            ),
            case(
                "a method without a number",
                CONFIRM,
                Lost("no known class"),
                |channel| Lie::of(&[frame(1, channel, &[])]),
            ),
            case("an argument too few", CONFIRM, Lost(""), |channel| {
                Lie::of(&[method(channel, (60, 80), &[0; 8])])
            }),
            case(
                "a frame of no type",
                CONFIRM,
                Lost("unknown type"),
                |channel| Lie::of(&[frame(7, channel, &[])]),
            ),
            case(
                "a frame of impossible size",
                CONFIRM,
                Lost("larger frame"),
                |channel| Lie::of(&[vec![1], channel.to_be_bytes().to_vec(), vec![0xFF; 4]]),
            ),
            case(
                "a heartbeat on a channel",
                CONFIRM,
                Lost("heartbeat"),
                |channel| Lie::of(&[frame(8, channel, b"")]),
            ),
            case(
                "a body without a message",
                CONFIRM,
                Lost("belongs to nothing"),
                |channel| Lie::of(&[frame(3, channel, b"body")]),
            ),
            case(
                "a header without a message",
                CONFIRM,
                Lost("belongs to nothing"),
                |channel| Lie::of(&[header(channel, 4)]),
            ),
            case(
                "a message of the connection",
                CONFIRM,
                Lost("not open"),
                |_| Lie::of(&[delivery(0, 1)]),
            ),
            case("a message on no channel", CONFIRM, Lost("not open"), |_| {
                Lie::of(&[delivery(1000, 1)])
            }),
            case(
                "a message for a publisher",
                CONFIRM,
                Lost("no subscription"),
                |channel| Lie::of(&[delivery(channel, 1)]),
            ),
            case(
                "heartbeats without end",
                CONFIRM,
                Lost("no answer within"),
                |_| Lie::default().endlessly(frame(8, 0, b"")),
            ),
        ]
    });
}
