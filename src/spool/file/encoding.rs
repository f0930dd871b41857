//! One message as it lies on the disk.
//!
//! Little-endian; complete in itself, so that it is known wherever it lies in a file that is no database any more:
//!
//! | at | bytes | |
//! |---:|---:|---|
//! | 0 | 4 | `AlSp` |
//! | 4 | 1 | format: 1 |
//! | 5 | 1 | lane: 0 events, 1 signals, 2 commands |
//! | 6 | 1 | priority |
//! | 7 | 1 | 1 if persistent |
//! | 8 | 4 | length of the whole |
//! | 12 | 4 | length of the metadata |
//! | 16 | 8 | the spool's own number |
//! | 24 | 8 | sequence |
//! | 32 | 8 | stored at, in milliseconds since 1970 |
//! | 40 | 8 | expires at, likewise; all ones if never |
//! | 48 | | metadata, in CBOR; then the body |
//! | last | 4 | CRC-32 of all before |

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use algedonic_transport::{
    CorrelationId, Error, ErrorKind, Key, Lane, Message, Metadata, Priority, TraceContext,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::event::codec;

pub(super) const MAGIC: [u8; 4] = *b"AlSp";
const FORMAT: u8 = 1;
pub(super) const HEADER: usize = 48;
const CRC: usize = 4;
const NEVER: u64 = u64::MAX;

/// What is known of a record without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) lane: Lane,
    pub(super) priority: Priority,
    pub(super) persistent: bool,
    /// Of the whole, with checksum.
    pub(super) length: u32,
    metadata: u32,
    pub(super) spool: u64,
    pub(super) sequence: u64,
    /// In milliseconds since 1970.
    pub(super) stored: u64,
    pub(super) expires: Option<u64>,
}

/// A record without its place in the order.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    bytes: Vec<u8>,
    pub(super) lane: Lane,
    pub(super) priority: Priority,
    pub(super) correlation: CorrelationId,
}

/// What is in the metadata, but for what the header has.
#[derive(Serialize, Deserialize)]
struct Described {
    id: String,
    name: String,
    version: u32,
    key: String,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// Seconds and nanoseconds since 1970.
    time: (u64, u32),
    correlation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<(String, Option<String>)>,
    content_type: String,
}

impl Draft {
    /// Encodes a message.
    pub(super) fn of(message: &Message) -> Result<Self, Error> {
        let metadata = codec::encode(&Described::of(message))?;
        let length = HEADER + metadata.len() + message.body.len() + CRC;
        let too_large = |_| {
            Error::permanent(ErrorKind::TooLarge, "spool a message")
                .with_detail(format!("{length} bytes, where a record has 4 GiB at most"))
        };
        let whole = u32::try_from(length).map_err(too_large)?;
        let metadata_length = u32::try_from(metadata.len()).map_err(too_large)?;
        let (lane, priority) = (message.lane, message.metadata.priority);
        let expires = message.metadata.expires.map(millis);
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(MAGIC);
        bytes.extend([FORMAT, number_of(lane), priority.get()]);
        bytes.push(u8::from(message.persistent));
        bytes.extend(whole.to_le_bytes());
        bytes.extend(metadata_length.to_le_bytes());
        bytes.extend([0; 24]); // See `seal`.
        bytes.extend(expires.unwrap_or(NEVER).to_le_bytes());
        bytes.extend_from_slice(&metadata);
        bytes.extend_from_slice(&message.body);
        Ok(Self {
            bytes,
            lane,
            priority,
            correlation: message.metadata.correlation.clone(),
        })
    }

    /// How long the record will be.
    pub(super) fn length(&self) -> u64 {
        (self.bytes.len() + CRC) as u64
    }

    /// The record, in its place.
    pub(super) fn seal(mut self, spool: u64, sequence: u64, stored: u64) -> Vec<u8> {
        for (at, field) in [(16, spool), (24, sequence), (32, stored)] {
            self.bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32fast::hash(&self.bytes);
        self.bytes.extend(crc.to_le_bytes());
        self.bytes
    }
}

impl Header {
    /// The header that these bytes begin with. Says nothing of the rest.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..4)? != MAGIC || bytes.get(4)? != &FORMAT {
            return None;
        }
        let expires = u64::from_le_bytes(field(bytes, 40)?);
        let header = Self {
            lane: lane_of(*bytes.get(5)?)?,
            priority: Priority::new(*bytes.get(6)?),
            persistent: *bytes.get(7)? == 1,
            length: u32::from_le_bytes(field(bytes, 8)?),
            metadata: u32::from_le_bytes(field(bytes, 12)?),
            spool: u64::from_le_bytes(field(bytes, 16)?),
            sequence: u64::from_le_bytes(field(bytes, 24)?),
            stored: u64::from_le_bytes(field(bytes, 32)?),
            expires: (expires != NEVER).then_some(expires),
        };
        let least = u64::from(header.metadata) + (HEADER + CRC) as u64;
        (u64::from(header.length) >= least && header.sequence > 0).then_some(header)
    }

    /// The header of a record that is whole, and nothing but a record.
    pub(super) fn check(bytes: &[u8]) -> Option<Self> {
        let header = Self::read(bytes)?;
        let whole = usize::try_from(header.length).ok()? == bytes.len();
        let (said, crc) = bytes.split_last_chunk()?;
        (whole && crc32fast::hash(said) == u32::from_le_bytes(*crc)).then_some(header)
    }
}

impl Record {
    /// None if it is not whole, or no message.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let header = Header::check(bytes)?;
        let metadata_end = HEADER + usize::try_from(header.metadata).ok()?;
        let described = bytes.get(HEADER..metadata_end)?;
        let body = bytes.get(metadata_end..bytes.len() - CRC)?;
        let described: Described = codec::decode(described).ok()?;
        let content_type = described.content_type.clone();
        let metadata = described.metadata(&header)?;
        let body = Bytes::copy_from_slice(body);
        let mut message = Message::new(metadata, header.lane, content_type, body);
        message.persistent = header.persistent;
        Some(Self {
            sequence: header.sequence,
            stored: moment(header.stored),
            message,
        })
    }
}

impl Described {
    fn of(message: &Message) -> Self {
        let metadata = &message.metadata;
        let time = metadata.time.duration_since(UNIX_EPOCH);
        let time = time.unwrap_or_default();
        let trace = metadata.trace.as_ref();
        Self {
            id: metadata.id.to_string(),
            name: metadata.name.to_string(),
            version: metadata.version,
            key: metadata.key.to_string(),
            source: metadata.source.to_string(),
            origin: metadata.origin.map(|bus| bus.to_string()),
            time: (time.as_secs(), time.subsec_nanos()),
            correlation: metadata.correlation.to_string(),
            causation: metadata.causation.map(|id| id.to_string()),
            trace: trace.map(|trace| {
                (
                    trace.parent.to_string(),
                    trace.state.as_deref().map(str::to_owned),
                )
            }),
            content_type: message.content_type.to_string(),
        }
    }

    fn metadata(self, header: &Header) -> Option<Metadata> {
        let time = UNIX_EPOCH.checked_add(Duration::new(self.time.0, self.time.1))?;
        let name = Key::new(self.name).ok()?;
        let mut metadata = Metadata::of(self.id.parse().ok()?, time, name, self.source);
        metadata.version = self.version;
        metadata.key = Key::new(self.key).ok()?;
        metadata.origin = self.origin.map(|bus| bus.parse()).transpose().ok()?;
        metadata.correlation = CorrelationId::from_text(&self.correlation);
        metadata.causation = self.causation.map(|id| id.parse()).transpose().ok()?;
        metadata.trace = self.trace.map(|(parent, state)| TraceContext {
            parent: parent.into(),
            state: state.map(Into::into),
        });
        metadata.priority = header.priority;
        metadata.expires = header.expires.map(moment);
        Some(metadata)
    }
}

/// The bytes at this place.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// In milliseconds since 1970; what is beyond reckoning is far away.
pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).map_or(NEVER - 1, |millis| millis.min(NEVER - 1))
}

/// So many milliseconds after 1970, or as far as the system's clock can go.
pub(super) fn moment(millis: u64) -> SystemTime {
    let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
    UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(far)
}

const fn number_of(lane: Lane) -> u8 {
    match lane {
        Lane::Event => 0,
        Lane::Signal => 1,
        Lane::Command => 2,
    }
}

const fn lane_of(number: u8) -> Option<Lane> {
    match number {
        0 => Some(Lane::Event),
        1 => Some(Lane::Signal),
        2 => Some(Lane::Command),
        _ => None,
    }
}
