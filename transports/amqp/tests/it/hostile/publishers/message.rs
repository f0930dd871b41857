//! What a stranger publishes, byte by byte, and what comes of it.

use algedonic_transport::Message;

use crate::raw::{long, short};

/// What comes of a message.
pub(super) enum Comes {
    /// It arrives, and this is so.
    Out(fn(&Message) -> bool),
    /// It is put aside, with these words.
    Aside(&'static str),
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) properties: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) comes: Comes,
}

/// The properties of class *basic*, in the order of their flags.
pub(super) const CONTENT_TYPE: usize = 0;
pub(super) const CONTENT_ENCODING: usize = 1;
pub(super) const HEADERS: usize = 2;
pub(super) const DELIVERY_MODE: usize = 3;
pub(super) const PRIORITY: usize = 4;
pub(super) const CORRELATION: usize = 5;
pub(super) const REPLY_TO: usize = 6;
pub(super) const EXPIRATION: usize = 7;
pub(super) const ID: usize = 8;
pub(super) const TIMESTAMP: usize = 9;
pub(super) const TYPE: usize = 10;
pub(super) const USER: usize = 11;
pub(super) const APP: usize = 12;
pub(super) const CLUSTER: usize = 13;

pub(super) fn properties(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let flags = parts
        .iter()
        .fold(0, |flags, (at, _)| flags | 0x8000_u16 >> at);
    let values = parts.iter().flat_map(|(_, value)| value.clone());
    flags.to_be_bytes().into_iter().chain(values).collect()
}

/// A header, with its type and its value.
pub(super) fn header(name: &str, value: &[u8]) -> Vec<u8> {
    [&*short(name.as_bytes()), value].concat()
}

pub(super) fn text(name: &str, value: &[u8]) -> Vec<u8> {
    header(name, &[b"S", &*long(value)].concat())
}

pub(super) fn number(name: &str, value: i64) -> Vec<u8> {
    header(name, &[b"l", &value.to_be_bytes()[..]].concat())
}

/// A good message but for these properties; those before the type, and those after it.
pub(super) fn odd(
    name: &'static str,
    before: &[(usize, Vec<u8>)],
    after: &[(usize, Vec<u8>)],
    comes: Comes,
) -> Case {
    let parts = [before, &[(TYPE, short(b"a.b"))], after].concat();
    let properties = properties(&parts);
    let body = b"body".to_vec();
    Case {
        name,
        properties,
        body,
        comes,
    }
}

/// One that has these headers.
pub(super) fn with(name: &'static str, headers: &[Vec<u8>], comes: Comes) -> Case {
    odd(name, &[(HEADERS, long(&headers.concat()))], &[], comes)
}

/// One in the compact form, whose body is this.
pub(super) fn compact(name: &'static str, body: &[u8], comes: Comes) -> Case {
    let properties = properties(&[(CONTENT_TYPE, short(b"application/vnd.algedonic"))]);
    Case {
        name,
        properties,
        body: body.to_vec(),
        comes,
    }
}
