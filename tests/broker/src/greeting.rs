//! The first frame of a broker, `connection.start`: who is on the port, and which version.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
const METHOD_FRAME: u8 = 1;
/// Class 10, method 10: `connection.start`.
const CONNECTION_START: [u8; 4] = [0, 10, 0, 10];
/// Far above what any broker says here, and small enough to allocate for a stranger.
const LARGEST_FRAME: usize = 64 * 1024;

/// What a broker says of itself before anybody logs in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// The server's version, as in `3.10.8`.
    pub(crate) version: String,
    /// The name of its cluster.
    pub(crate) cluster: String,
}

impl Greeting {
    /// Connects, asks and hangs up. No step takes longer than `patience`.
    pub(crate) fn of(address: SocketAddr, patience: Duration) -> io::Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(PROTOCOL_HEADER)?;
        let frame = read_method_frame(&mut stream)?;
        Self::parse(&frame).ok_or_else(|| invalid("not a connection.start method"))
    }

    fn parse(frame: &[u8]) -> Option<Self> {
        let mut reader = Reader(frame);
        if reader.take(4)? != CONNECTION_START {
            return None;
        }
        reader.take(2)?; // The version of the protocol.
        let table = reader.long()?;
        Some(Self {
            version: text_of(table, b"version")?,
            cluster: text_of(table, b"cluster_name").unwrap_or_default(),
        })
    }
}

/// The payload of a method frame: type, channel (2 octets), size (4 octets), payload, end mark.
fn read_method_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut header = [0; 7];
    stream.read_exact(&mut header)?;
    let size = u32::from_be_bytes([header[3], header[4], header[5], header[6]]) as usize;
    if header[0] != METHOD_FRAME || size > LARGEST_FRAME {
        return Err(invalid("not an AMQP method frame"));
    }
    let mut payload = vec![0; size];
    stream.read_exact(&mut payload)?;
    Ok(payload)
}

/// The text under a name in a field table; `None` also when the table holds a type that no broker puts there.
fn text_of(table: &[u8], wanted: &[u8]) -> Option<String> {
    let mut reader = Reader(table);
    while !reader.0.is_empty() {
        let name = reader.short()?;
        match reader.byte()? {
            b'S' => {
                let value = reader.long()?;
                if name == wanted {
                    return Some(String::from_utf8_lossy(value).into_owned());
                }
            }
            b'F' | b'A' | b'x' => drop(reader.long()?),
            b't' | b'b' | b'B' => drop(reader.take(1)?),
            b's' | b'u' => drop(reader.take(2)?),
            b'I' | b'i' | b'f' => drop(reader.take(4)?),
            b'l' | b'd' | b'T' => drop(reader.take(8)?),
            b'V' => {}
            _ => return None,
        }
    }
    None
}

/// Reads from the front; `None` where the octets run out.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let size = self.byte()?;
        self.take(usize::from(size))
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let size = self.take(4)?.try_into().map(u32::from_be_bytes).ok()?;
        self.take(size as usize)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::{CONNECTION_START, Greeting};

    fn frame(table: &[u8]) -> Vec<u8> {
        let size = u32::try_from(table.len())
            .expect("a small table")
            .to_be_bytes();
        [
            &CONNECTION_START[..],
            &[0, 9],
            &size,
            table,
            b"\0\0\0\x05PLAIN",
        ]
        .concat()
    }

    #[test]
    fn reads_version_and_cluster() {
        let table = b"\x04capsF\x00\x00\x00\x04\x01at\x01\x0ccluster_nameS\x00\x00\x00\x01c\x07versionS\x00\x00\x00\x054.0.5";
        let expected = Greeting {
            version: "4.0.5".into(),
            cluster: "c".into(),
        };
        assert_eq!(Greeting::parse(&frame(table)), Some(expected));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        assert_eq!(Greeting::parse(b""), None);
        assert_eq!(Greeting::parse(&frame(b"")), None);
        assert_eq!(
            Greeting::parse(&frame(b"\x07versionS\x00\x00\xff\xff4")),
            None
        );
        assert_eq!(Greeting::parse(&frame(b"\x07version?")), None);
    }
}
