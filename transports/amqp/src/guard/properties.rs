//! Can lapin read the properties of this message, and at what cost? Pure, and without recursion.

use std::fmt;

/// How deep tables and arrays may nest, the headers themselves being the first. The deepest that
/// RabbitMQ makes, `x-death`, has four; lapin's stack has been seen to end between 1,000 and 2,000.
pub(super) const MAX_DEPTH: usize = 16;

/// How many values the headers may hold. lapin makes some 40 bytes of a value that is one byte on the
/// wire, so that a frame of 128 KiB could become 5 MiB, for each message of the prefetch.
pub(super) const MAX_VALUES: usize = 4096;

/// What is wrong with a message on the wire. Says nothing of what the message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The name of the property is given.
    NotUtf8(&'static str),
    HeaderNameNotUtf8,
    /// It says that it is longer than the frame.
    CutShort(&'static str),
    /// Something in the headers does not fit what it is in.
    HeaderCutShort,
    HeaderType(u8),
    TooDeep,
    TooMany,
    /// So many bytes come after the last property.
    Trailing(usize),
    /// So many bytes of properties, in a frame of more than was agreed on.
    TooLong(usize),
    RoutingKeyNotUtf8,
    /// A body of so many bytes, and so many are received at most.
    BodyTooLarge(u64, u64),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8(name) => write!(f, "the property {name} is not UTF-8"),
            Self::HeaderNameNotUtf8 => f.write_str("the name of a header is not UTF-8"),
            Self::CutShort(name) => write!(f, "the property {name} is cut short"),
            Self::HeaderCutShort => f.write_str("a header is cut short"),
            Self::HeaderType(code) => write!(f, "a header has the unknown type {code:#04x}"),
            Self::TooDeep => write!(f, "the headers nest deeper than {MAX_DEPTH} levels"),
            Self::TooMany => write!(f, "the headers hold more than {MAX_VALUES} values"),
            Self::Trailing(bytes) => write!(f, "{bytes} bytes follow the last property"),
            Self::TooLong(bytes) => {
                write!(f, "{bytes} bytes of properties do not fit the agreed frame")
            }
            Self::BodyTooLarge(bytes, most) => {
                write!(f, "a body of {bytes} bytes; at most {most} are received")
            }
            Self::RoutingKeyNotUtf8 => f.write_str("the exchange or the routing key is not UTF-8"),
        }
    }
}

/// How a property looks on the wire.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Table,
    Byte,
    Time,
}

/// The properties of class *basic*, from the highest bit of the flags downwards.
const PROPERTIES: [(&str, Shape); 14] = [
    ("content_type", Shape::Text),
    ("content_encoding", Shape::Text),
    ("headers", Shape::Table),
    ("delivery_mode", Shape::Byte),
    ("priority", Shape::Byte),
    ("correlation_id", Shape::Text),
    ("reply_to", Shape::Text),
    ("expiration", Shape::Text),
    ("message_id", Shape::Text),
    ("timestamp", Shape::Time),
    ("type", Shape::Text),
    ("user_id", Shape::Text),
    ("app_id", Shape::Text),
    ("cluster_id", Shape::Text),
];

/// Looks at the flags of a content header and all that follows them.
pub(super) fn check(properties: &[u8]) -> Result<(), Flaw> {
    let mut rest = properties;
    let flags = u16::from_be_bytes(*take_array(&mut rest).ok_or(Flaw::CutShort("flags"))?);
    for (index, (name, shape)) in PROPERTIES.into_iter().enumerate() {
        if flags & (0x8000 >> index) == 0 {
            continue;
        }
        let cut = Flaw::CutShort(name);
        match shape {
            Shape::Text => {
                let text = short_string(&mut rest).ok_or(cut)?;
                std::str::from_utf8(text).map_err(|_| Flaw::NotUtf8(name))?;
            }
            Shape::Table => check_table(long_string(&mut rest).ok_or(cut)?)?,
            Shape::Byte => drop(take(&mut rest, 1).ok_or(cut)?),
            Shape::Time => drop(take(&mut rest, 8).ok_or(cut)?),
        }
    }
    // This is also where the flag for more flags ends: no property of basic has a use for it.
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Flaw::Trailing(rest.len()))
    }
}

/// Looks at the inside of a field table.
pub(super) fn check_table(table: &[u8]) -> Result<(), Flaw> {
    /// What is left of a table, whose values have names, or of an array.
    #[derive(Clone, Copy)]
    struct Level<'a> {
        rest: &'a [u8],
        named: bool,
    }
    let mut outer = [Level {
        rest: &[],
        named: false,
    }; MAX_DEPTH];
    let mut depth = 0;
    let mut values = 0;
    let mut level = Level {
        rest: table,
        named: true,
    };
    loop {
        if level.rest.is_empty() {
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            level = outer[depth];
            continue;
        }
        if level.named {
            let name = short_string(&mut level.rest).ok_or(Flaw::HeaderCutShort)?;
            std::str::from_utf8(name).map_err(|_| Flaw::HeaderNameNotUtf8)?;
        }
        values += 1;
        if values > MAX_VALUES {
            return Err(Flaw::TooMany);
        }
        let code = take(&mut level.rest, 1).ok_or(Flaw::HeaderCutShort)?[0];
        let fixed = match code {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'L' | b'l' | b'd' | b'T' => 8,
            b'S' | b'x' | b'F' | b'A' => {
                let inside = long_string(&mut level.rest).ok_or(Flaw::HeaderCutShort)?;
                if matches!(code, b'F' | b'A') {
                    // The headers themselves are a level that is not on this stack.
                    if depth + 1 == MAX_DEPTH {
                        return Err(Flaw::TooDeep);
                    }
                    outer[depth] = level;
                    depth += 1;
                    level = Level {
                        rest: inside,
                        named: code == b'F',
                    };
                }
                continue;
            }
            unknown => return Err(Flaw::HeaderType(unknown)),
        };
        take(&mut level.rest, fixed).ok_or(Flaw::HeaderCutShort)?;
    }
}

/// Cuts `count` bytes off the front.
pub(super) fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (front, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(front)
}

pub(super) fn take_array<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    take(from, N)?.first_chunk()
}

/// A text with one byte for its length.
pub(super) fn short_string<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take(from, 1)?[0];
    take(from, length.into())
}

/// Bytes with four for their length.
pub(super) fn long_string<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(*take_array(from)?);
    take(from, usize::try_from(length).ok()?)
}
