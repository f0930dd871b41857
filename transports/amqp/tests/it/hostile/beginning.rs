//! Lies before anything works.

use super::{
    broker::{Lie, frame, method, start, tune},
    case::{CHANNEL, End::Lost, LOGIN, OPEN, START, bomb, case, close, each},
};
use crate::raw::{long, short};

#[test]
fn a_broker_that_lies_at_the_beginning() {
    each("beginning::a_broker_that_lies_at_the_beginning", || {
        vec![
            case("silence", START, Lost("no answer within"), |_| {
                Lie::default()
            }),
            case("hangs up", START, Lost("hung up"), |_| {
                Lie::default().hangs_up()
            }),
            case("an endless greeting", START, Lost("larger frame"), |_| {
                Lie::of(&[vec![1, 0, 0, 0xFF, 0xFF, 0xFF, 0xF0]]).endlessly(vec![b'x'; 1000])
            }),
            case("letters without end", START, Lost("unknown type"), |_| {
                Lie::default().endlessly(vec![b'x'; 1000])
            }),
            case("protocol headers without end", START, Lost("AMQP"), |_| {
                Lie::default().endlessly(b"AMQP\0\0\x09\x01".to_vec())
            }),
            case(
                "heartbeats without end",
                START,
                Lost("no answer within"),
                |_| Lie::default().endlessly(frame(8, 0, b"")),
            ),
            case(
                "greetings without end",
                START,
                Lost("a second greeting"),
                |_| Lie::default().endlessly(start()),
            ),
            case(
                "a greeting that nests",
                START,
                Lost("properties of the server"),
                |_| Lie::of(&[bomb(0, (10, 10), &[vec![0, 9]])]),
            ),
            case("a login of its own", LOGIN, Lost("no broker sends"), |_| {
                Lie::of(&[bomb(0, (10, 11), &[])])
            }),
            case("agrees twice", LOGIN, Lost("no answer within"), |_| {
                Lie::of(&[tune(0, 0, 0), tune(0, 0, 0)])
            }),
            case(
                "agrees without end",
                LOGIN,
                Lost("no answer within"),
                |_| Lie::default().endlessly(tune(0, 0, 0)),
            ),
            case(
                "challenges without end",
                LOGIN,
                Lost("no answer within"),
                |_| Lie::default().endlessly(method(0, (10, 20), &long(b"who?"))),
            ),
            case("refuses in Latin 1", OPEN, Lost("NOT_ALLOWED - "), |_| {
                Lie::of(&[close(0, 10, 530, b"NOT_ALLOWED - caf\xe9")])
            }),
            case("opens twice", OPEN, Lost(""), |_| {
                Lie::of(&[
                    method(0, (10, 41), &short(b"")),
                    method(0, (10, 41), &short(b"")),
                ])
            }),
            case("closes for no known reason", OPEN, Lost("Closed"), |_| {
                Lie::of(&[close(0, 10, 9, b"so")])
            }),
            case("never opens", OPEN, Lost("no answer within"), |_| {
                Lie::default()
            }),
            case(
                "opens another channel",
                CHANNEL,
                Lost("not open"),
                |channel| Lie::of(&[method(channel + 7, (20, 11), &long(b""))]),
            ),
            case(
                "opens a channel twice",
                CHANNEL,
                Lost("channel"),
                |channel| {
                    let ok = method(channel, (20, 11), &long(b""));
                    Lie::of(&[ok.clone(), ok])
                },
            ),
        ]
    });
}
