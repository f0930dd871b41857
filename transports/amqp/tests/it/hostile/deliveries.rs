//! Lies about what is delivered.

use super::{
    broker::{Lie, deliver, frame, header, method},
    case::{
        CONSUME,
        End::{Lost, Works},
        case, delivery, each,
    },
};
use crate::raw::short;

/// The subscription works, and then comes this.
fn consuming(channel: u16, parts: &[Vec<u8>]) -> Lie {
    Lie::of(&[
        method(channel, (60, 21), &short(b"consumer")),
        parts.concat(),
    ])
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list, one case after another")]
fn a_broker_that_lies_about_deliveries() {
    each("deliveries::a_broker_that_lies_about_deliveries", || {
        vec![
            case("for another consumer", CONSUME, Works, |channel| {
                let stranger = deliver(channel, b"stranger", 1, b"a");
                consuming(channel, &[stranger, header(channel, 0)])
            }),
            case("from behind", CONSUME, Lost("out of order"), |channel| {
                consuming(channel, &[delivery(channel, 2), delivery(channel, 1)])
            }),
            case(
                "with the number zero",
                CONSUME,
                Lost("out of order"),
                |channel| consuming(channel, &[delivery(channel, 0)]),
            ),
            case(
                "with the same number",
                CONSUME,
                Lost("out of order"),
                |channel| consuming(channel, &[delivery(channel, 1), delivery(channel, 1)]),
            ),
            case(
                "with half of all numbers left out",
                CONSUME,
                Lost("out of order"),
                |channel| consuming(channel, &[delivery(channel, 1 << 63)]),
            ),
            case(
                "with the last number",
                CONSUME,
                Lost("out of order"),
                |channel| consuming(channel, &[delivery(channel, u64::MAX)]),
            ),
            case(
                "more than were asked for",
                CONSUME,
                Lost("more messages than"),
                |channel| {
                    consuming(channel, &[]).counting(move |tag| {
                        let body = frame(3, channel, &[7; 1000]);
                        [
                            deliver(channel, b"consumer", tag, b"a"),
                            header(channel, 1000),
                            body,
                        ]
                        .concat()
                    })
                },
            ),
            case(
                "more for another consumer",
                CONSUME,
                Lost("more messages than"),
                |channel| {
                    consuming(channel, &[]).counting(move |tag| {
                        [deliver(channel, b"stranger", tag, b"a"), header(channel, 0)].concat()
                    })
                },
            ),
            case(
                "beginnings without end",
                CONSUME,
                Lost("broken off"),
                |channel| {
                    consuming(channel, &[])
                        .counting(move |tag| deliver(channel, b"consumer", tag, b"a"))
                },
            ),
            case("a body of all bytes", CONSUME, Works, |channel| {
                let header = header(channel, u64::MAX);
                let first = deliver(channel, b"consumer", 1, b"a");
                consuming(channel, &[first, header, frame(3, channel, b"x")])
            }),
            case("a body of nothing without end", CONSUME, Works, |channel| {
                let first = deliver(channel, b"consumer", 1, b"a");
                consuming(channel, &[first, header(channel, 9)]).endlessly(frame(3, channel, b""))
            }),
            case(
                "more than was announced",
                CONSUME,
                Lost("more of a body"),
                |channel| {
                    let first = deliver(channel, b"consumer", 1, b"a");
                    consuming(
                        channel,
                        &[first, header(channel, 1), frame(3, channel, b"xx")],
                    )
                },
            ),
            case(
                "an answer to no question",
                CONSUME,
                Lost("out of order"),
                |channel| {
                    let arguments = [vec![0; 9], short(b""), short(b"a"), vec![0; 4]].concat();
                    consuming(
                        channel,
                        &[method(channel, (60, 71), &arguments), header(channel, 0)],
                    )
                },
            ),
            case(
                "cancels",
                CONSUME,
                Lost("ended the subscription"),
                |channel| {
                    let arguments = [short(b"consumer"), vec![1]].concat();
                    consuming(channel, &[method(channel, (60, 30), &arguments)])
                },
            ),
            case(
                "cancels without end",
                CONSUME,
                Lost("no subscription"),
                |channel| {
                    let arguments = [short(b"stranger"), vec![0]].concat();
                    consuming(channel, &[]).endlessly(method(channel, (60, 30), &arguments))
                },
            ),
            case("subscribes twice", CONSUME, Lost("consume-ok"), |channel| {
                consuming(channel, &[method(channel, (60, 21), &short(b"consumer"))])
            }),
        ]
    });
}
