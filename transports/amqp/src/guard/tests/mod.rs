//! Frames for the tests, written by hand, byte by byte.

mod properties;
mod scanner;
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

pub(super) fn deliver(channel: u16, exchange: &[u8], key: &[u8]) -> Vec<u8> {
    let mut method = vec![0, 60, 0, 60];
    method.extend(short(b"consumer"));
    method.extend(7_u64.to_be_bytes());
    method.push(0);
    method.extend(short(exchange));
    method.extend(short(key));
    frame(1, channel, &method)
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
