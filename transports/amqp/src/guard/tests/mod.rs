//! Frames for the tests, written by hand, byte by byte.

mod channel;
mod outgoing;
mod properties;
mod scanner;
mod strays;
mod stream;

use proptest::prelude::*;

pub(super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&long(payload));
    frame.push(0xCE);
    frame
}

pub(super) fn short(bytes: &[u8]) -> Vec<u8> {
    let mut text = vec![u8::try_from(bytes.len()).expect("short")];
    text.extend_from_slice(bytes);
    text
}

pub(super) fn long(bytes: &[u8]) -> Vec<u8> {
    let mut text = u32::try_from(bytes.len())
        .expect("fits")
        .to_be_bytes()
        .to_vec();
    text.extend_from_slice(bytes);
    text
}

pub(super) fn method(channel: u16, class: u8, number: u8, arguments: &[Vec<u8>]) -> Vec<u8> {
    let payload = [vec![0, class, 0, number], arguments.concat()].concat();
    frame(1, channel, &payload)
}

pub(super) fn deliver(channel: u16, tag: u64, exchange: &[u8], key: &[u8]) -> Vec<u8> {
    let arguments = [
        short(b"consumer"),
        tag.to_be_bytes().to_vec(),
        vec![0],
        short(exchange),
        short(key),
    ];
    method(channel, 60, 60, &arguments)
}

/// An ack (80), a reject (90) or a nack (120), whichever way it goes.
pub(super) fn settle(channel: u16, number: u8, tag: u64, flags: u8) -> Vec<u8> {
    method(
        channel,
        60,
        number,
        &[tag.to_be_bytes().to_vec(), vec![flags]],
    )
}

/// What a client says to have these channels, ten messages on each, and one subscription.
pub(super) fn opening(channels: std::ops::Range<u16>) -> Vec<u8> {
    let mut said = b"AMQP\0\0\x09\x01".to_vec();
    for channel in channels {
        said.extend(method(channel, 20, 10, &[short(b"")]));
        said.extend(method(channel, 85, 10, &[vec![0]]));
        let publish = [vec![0, 0], short(b"ex"), short(b"a"), vec![1]];
        let published = [
            method(channel, 60, 40, &publish),
            header(channel, 1, &[0, 0]),
            frame(3, channel, b"x"),
        ];
        said.extend(published.concat().repeat(10));
        let consume = [vec![0, 0], short(b"q"), short(b""), vec![0], long(b"")];
        said.extend(method(channel, 60, 20, &consume));
    }
    said
}

/// A content header of class basic.
pub(super) fn header(channel: u16, body: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 60, 0, 0];
    payload.extend(body.to_be_bytes());
    payload.extend_from_slice(properties);
    frame(2, channel, &payload)
}

/// Properties that are headers and nothing else.
pub(super) fn only_headers(table: &[u8]) -> Vec<u8> {
    [vec![0x20, 0], long(table)].concat()
}

/// A header of which each value is a table with one value, so many times.
pub(super) fn nested(levels: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 1..levels {
        table = [b"\x01aF".to_vec(), long(&table)].concat();
    }
    table
}

/// A value of any type, with its type.
pub(super) fn values() -> impl Strategy<Value = Vec<u8>> {
    let fixed = |code: u8, size: usize| {
        prop::collection::vec(any::<u8>(), size).prop_map(move |bytes| [vec![code], bytes].concat())
    };
    let leaf = prop_oneof![
        Just(vec![b'V']),
        fixed(b't', 1),
        fixed(b'b', 1),
        fixed(b'B', 1),
        fixed(b's', 2),
        fixed(b'u', 2),
        fixed(b'I', 4),
        fixed(b'i', 4),
        fixed(b'l', 8),
        fixed(b'L', 8),
        fixed(b'f', 4),
        fixed(b'd', 8),
        fixed(b'D', 5),
        fixed(b'T', 8),
        prop::collection::vec(any::<u8>(), 0..40).prop_flat_map(|bytes| prop_oneof![
            Just(b'S'),
            Just(b'x')
        ]
        .prop_map(move |code| [vec![code], long(&bytes)].concat())),
    ];
    leaf.prop_recursive(6, 40, 5, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..5).prop_map(|values| [
                vec![b'A'],
                long(&values.concat())
            ]
            .concat()),
            tables_of(value).prop_map(|table| [vec![b'F'], long(&table)].concat()),
        ]
    })
}

fn tables_of(value: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(("\\PC{0,10}", value), 0..5).prop_map(|entries| {
        entries
            .into_iter()
            .flat_map(|(name, value)| [short(name.as_bytes()), value].concat())
            .collect()
    })
}

/// Properties as a sound publisher writes them.
pub(super) fn sound() -> impl Strategy<Value = Vec<u8>> {
    let parts = (0..14_u8).map(|index| match index {
        2 => tables_of(values()).prop_map(|table| long(&table)).boxed(),
        3 | 4 => any::<u8>().prop_map(|byte| vec![byte]).boxed(),
        9 => any::<u64>()
            .prop_map(|time| time.to_be_bytes().to_vec())
            .boxed(),
        _ => "\\PC{0,20}".prop_map(|text| short(text.as_bytes())).boxed(),
    });
    (any::<u16>(), parts.collect::<Vec<_>>()).prop_map(|(flags, parts)| {
        let flags = flags & !3;
        let mut bytes = flags.to_be_bytes().to_vec();
        for (index, part) in parts.into_iter().enumerate() {
            if flags & (0x8000 >> index) != 0 {
                bytes.extend(part);
            }
        }
        bytes
    })
}
