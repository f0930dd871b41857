//! What does lapin get to see of a message that it could not read, and how is it known again?

use lapin::{BasicProperties, types::AMQPValue};

use super::properties::Flaw;

/// Says why the message is not readable. Text.
pub(super) const UNREADABLE: &str = "algedonic-unreadable";
/// The properties as they were on the wire, from their flags on. Bytes.
pub(super) const UNREADABLE_PROPERTIES: &str = "algedonic-unreadable-properties";
/// The exchange and the routing key as they were on the wire, when one of them is not readable: each
/// with one byte for its length. Bytes.
pub(super) const UNREADABLE_KEY: &str = "algedonic-unreadable-key";

/// The size of a body that was too large to be received. Integer.
pub(super) const UNREADABLE_BODY: &str = "algedonic-unreadable-body-bytes";

/// What is left of a message that was not readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) reason: String,
    /// None if they were too long to be kept.
    pub(crate) properties: Option<Vec<u8>>,
    /// None if they are readable.
    pub(crate) key: Option<Vec<u8>>,
    /// Whether its body was too large: then it was left out.
    pub(crate) too_large: bool,
}

impl Mark {
    /// The mark that the guard has put in place of a message's properties.
    ///
    /// Anybody can publish a message that looks like this; it is dead-lettered with the words it
    /// brings, as any other that cannot be read.
    pub(crate) fn of(properties: &BasicProperties) -> Option<Self> {
        let headers = properties.headers().as_ref()?;
        let reason = headers.inner().get(UNREADABLE)?;
        let bytes = |name: &str| match headers.inner().get(name)? {
            AMQPValue::ByteArray(bytes) => Some(bytes.as_slice().to_vec()),
            _ => None,
        };
        Some(Self {
            reason: match reason {
                AMQPValue::LongString(text) => text.to_string(),
                _ => "without a reason".to_owned(),
            },
            properties: bytes(UNREADABLE_PROPERTIES),
            key: bytes(UNREADABLE_KEY),
            too_large: headers.contains_key(UNREADABLE_BODY),
        })
    }

    /// As headers.
    #[cfg(test)]
    pub(crate) fn write(self, headers: &mut lapin::types::FieldTable) {
        let bytes = |bytes: Vec<u8>| AMQPValue::ByteArray(bytes.into());
        headers.insert(
            UNREADABLE.into(),
            AMQPValue::LongString(self.reason.into_bytes().into()),
        );
        if let Some(properties) = self.properties {
            headers.insert(UNREADABLE_PROPERTIES.into(), bytes(properties));
        }
        if let Some(key) = self.key {
            headers.insert(UNREADABLE_KEY.into(), bytes(key));
        }
    }
}

/// How many bytes a frame with a mark has at most besides the properties that it carries.
const AROUND: usize = 2048;

/// How many bytes of properties a mark can carry in a frame of `frame_max` bytes.
pub(super) fn room(frame_max: usize) -> usize {
    // Half a frame, so that there is room for what is said about the dead letter.
    (frame_max / 2).saturating_sub(AROUND)
}

/// A header frame in the place of one that is not readable. `fixed` is the class, weight and body
/// size of that one.
pub(super) fn frame(
    channel: u16,
    fixed: [u8; 12],
    flaw: Flaw,
    properties: Option<&[u8]>,
    key: Option<&[u8]>,
) -> Vec<u8> {
    let mut table = Vec::with_capacity(AROUND + properties.map_or(0, <[u8]>::len));
    header(&mut table, UNREADABLE, b'S', flaw.to_string().as_bytes());
    if let Some(properties) = properties {
        header(&mut table, UNREADABLE_PROPERTIES, b'x', properties);
    }
    if let Some(key) = key {
        header(&mut table, UNREADABLE_KEY, b'x', key);
    }
    if let Flaw::BodyTooLarge(bytes, _) = flaw {
        name(&mut table, UNREADABLE_BODY, b'l');
        table.extend_from_slice(&bytes.to_be_bytes());
    }
    let mut payload = Vec::with_capacity(table.len() + 32);
    payload.extend_from_slice(&fixed);
    // Flags: headers, and nothing else.
    payload.extend_from_slice(&0x2000_u16.to_be_bytes());
    long_string(&mut payload, &table);
    let mut frame = Vec::with_capacity(payload.len() + 8);
    frame.push(2);
    frame.extend_from_slice(&channel.to_be_bytes());
    long_string(&mut frame, &payload);
    frame.push(0xCE);
    frame
}

fn header(table: &mut Vec<u8>, key: &str, code: u8, value: &[u8]) {
    name(table, key, code);
    long_string(table, value);
}

fn name(table: &mut Vec<u8>, name: &str, code: u8) {
    table.push(u8::try_from(name.len()).unwrap_or(0));
    table.extend_from_slice(name.as_bytes());
    table.push(code);
}

fn long_string(to: &mut Vec<u8>, bytes: &[u8]) {
    // None is longer than a frame.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
}
