//! Which version of RabbitMQ is at the other end? lapin reads it and keeps it to itself.

use std::fmt;

/// The series and release of a broker, as in `3.10.8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u16, pub(crate) u16, pub(crate) u16);

impl Version {
    /// Reads `3.10.8`, `4.1.0-rc.1` or `4.3.0+12.gabc`; None for what begins with no number.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(['.', '-', '+']).map(str::parse::<u16>);
        let major = numbers.next()?.ok()?;
        let mut rest = || numbers.next().and_then(Result::ok).unwrap_or(0);
        Some(Self(major, rest(), rest()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What was heard first on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    RabbitMq(Version),
    /// AMQP, but not of a RabbitMQ that says its version.
    Amqp,
    /// A record of TLS, in the clear: the port speaks TLS, and we do not.
    Tls,
    /// Something else.
    Stranger,
}

/// Far above what a broker says first, and small enough to keep for a stranger.
const LONGEST: usize = 16 * 1024;
const HEADER: usize = 7;
const METHOD: u8 = 1;
/// The records with which TLS may begin: an alert, a handshake.
const TLS: [u8; 2] = [21, 22];
/// Class 10, method 10.
const CONNECTION_START: [u8; 4] = [0, 10, 0, 10];

/// Collects the first frame of a connection as it comes, and reads the version in it.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    bytes: Vec<u8>,
    done: bool,
}

impl Greeting {
    pub(crate) fn is_over(&self) -> bool {
        self.done
    }

    /// Takes the next bytes. Says what was heard once that is clear, and nothing after that.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Option<Heard> {
        if self.done {
            return None;
        }
        let room = LONGEST - self.bytes.len();
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        let heard = self.heard()?;
        self.done = true;
        self.bytes = Vec::new();
        Some(heard)
    }

    fn heard(&self) -> Option<Heard> {
        match *self.bytes.first()? {
            METHOD => {}
            kind if TLS.contains(&kind) => return Some(Heard::Tls),
            _ => return Some(Heard::Stranger),
        }
        let header = self.bytes.get(..HEADER)?;
        let size = u32::from_be_bytes([header[3], header[4], header[5], header[6]]) as usize;
        if size > LONGEST - HEADER {
            return Some(Heard::Stranger);
        }
        let version = read(self.bytes.get(HEADER..HEADER + size)?);
        Some(version.map_or(Heard::Amqp, Heard::RabbitMq))
    }
}

/// The version in a `connection.start` that is signed as RabbitMQ.
fn read(payload: &[u8]) -> Option<Version> {
    let mut rest = Bytes(payload);
    if rest.take(4)? != CONNECTION_START {
        return None;
    }
    rest.take(2)?; // The version of the protocol.
    let mut table = Bytes(rest.long()?);
    let (mut product, mut version) = (None, None);
    while !table.0.is_empty() {
        let name = table.short()?;
        let value = table.value()?;
        match name {
            b"product" => product = Some(value),
            b"version" => version = Some(value),
            _ => {}
        }
    }
    if product? != b"RabbitMQ" {
        return None;
    }
    Version::parse(std::str::from_utf8(version?).ok()?)
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.take(4)?.try_into().ok()?;
        self.take(u32::from_be_bytes(length) as usize)
    }

    /// Goes past one value; gives its bytes, if it is text. What is nested is skipped, not descended
    /// into.
    fn value(&mut self) -> Option<&'a [u8]> {
        let skipped = match self.take(1)?[0] {
            b'S' => return self.long(),
            b'x' | b'F' | b'A' => return self.long().map(|_| &[][..]),
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'L' | b'l' | b'd' | b'T' => 8,
            b'V' => 0,
            _ => return None,
        };
        self.take(skipped).map(|_| &[][..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
        let mut bytes = vec![u8::try_from(name.len()).expect("short")];
        bytes.extend(name.as_bytes());
        bytes.push(kind);
        bytes.extend(value);
        bytes
    }

    fn long(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).expect("short");
        [&length.to_be_bytes()[..], bytes].concat()
    }

    /// As RabbitMQ says it: capabilities first.
    fn start(product: &str, version: &str) -> Vec<u8> {
        let capabilities = [field("a", b't', &[1]), field("b", b't', &[0])].concat();
        let table = [
            field("capabilities", b'F', &long(&capabilities)),
            field("cluster_name", b'S', &long(b"version")),
            field("product", b'S', &long(product.as_bytes())),
            field("version", b'S', &long(version.as_bytes())),
        ]
        .concat();
        let payload = [
            &CONNECTION_START[..],
            &[0, 9],
            &long(&table),
            &long(b"PLAIN"),
        ]
        .concat();
        [&[METHOD, 0, 0], &long(&payload)[..], &[0xCE]].concat()
    }

    #[test]
    fn versions_are_read_as_brokers_write_them() {
        for (text, version) in [
            ("3.10.8", Version(3, 10, 8)),
            ("4.0.5", Version(4, 0, 5)),
            ("4.1.0-rc.1", Version(4, 1, 0)),
            ("4.3", Version(4, 3, 0)),
        ] {
            assert_eq!(
                heard(&start("RabbitMQ", text)),
                Some(Heard::RabbitMq(version))
            );
        }
        assert_eq!(heard(&start("RabbitMQ", "newest")), Some(Heard::Amqp));
        assert_eq!(heard(&start("Other", "3.10.8")), Some(Heard::Amqp));
        assert!(Version(3, 10, 8) < Version(4, 0, 5));
    }

    #[test]
    fn whoever_speaks_something_else_is_known_by_the_first_byte() {
        assert_eq!(heard(&[21, 3, 1]), Some(Heard::Tls));
        assert_eq!(heard(b"AMQP\0\0\x08\0"), Some(Heard::Stranger));
        assert_eq!(heard(b"HTTP/1.1"), Some(Heard::Stranger));
        assert_eq!(heard(&[1, 0, 0, 255, 255, 255, 255]), Some(Heard::Stranger));
        assert_eq!(heard(&[]), None);
    }

    fn heard(bytes: &[u8]) -> Option<Heard> {
        Greeting::default().feed(bytes)
    }

    proptest! {
        #[test]
        fn it_is_found_however_the_bytes_come(cuts in prop::collection::vec(1_usize..40, 1..40)) {
            let mut greeting = Greeting::default();
            let bytes = [start("RabbitMQ", "3.13.7"), vec![0; 1500]].concat();
            let (mut rest, mut found) = (&bytes[..], Vec::new());
            for cut in cuts.into_iter().cycle() {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                found.extend(greeting.feed(now));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, [Heard::RabbitMq(Version(3, 13, 7))]);
            prop_assert!(greeting.is_over() && greeting.bytes.is_empty());
        }

        #[test]
        fn strangers_are_borne(
            mut bytes in prop::collection::vec(any::<u8>(), 0..200),
            changed in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            Greeting::default().feed(&bytes);
            bytes = start("RabbitMQ", "3.10.8");
            let place = changed.index(bytes.len());
            bytes[place] = to;
            let mut greeting = Greeting::default();
            greeting.feed(&bytes);
            prop_assert!(greeting.bytes.len() <= LONGEST);
        }
    }
}
