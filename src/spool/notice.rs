use std::{fmt, path::PathBuf, time::SystemTime};

use algedonic_transport::{CorrelationId, Error, Lane, Metadata};

use super::Record;

/// What a spool has to tell, each once; from [`Spool::notice`](super::Spool::notice). Each is worth a pain signal, but
/// for [`Mended`](Self::Mended), which is worth a pleasure.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "almost every notice is of a loss: a box would cost each of them"
)]
#[non_exhaustive]
pub enum Notice {
    /// A record was dropped by a rule of the spool. It may have been sent meanwhile, its confirm not yet told.
    Lost(Lost),
    /// The file was damaged, and put aside.
    Damaged(Damage),
    /// The disk fails. Appends and reads do, too, until it is [`Mended`](Self::Mended); it is tried again every second
    /// when something is asked for, and at once for a signal: one that fits is stored meanwhile.
    Broken(Error),
    /// It works again.
    Mended,
}

/// A record that is gone, and was not sent as far as the spool knows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lost {
    /// Its place in the order.
    pub sequence: u64,
    /// The lane of its message.
    pub lane: Lane,
    /// All about its message but the body.
    pub metadata: Metadata,
    /// When it was stored.
    pub stored: SystemTime,
    /// By which rule it is gone.
    pub cause: LossCause,
    /// The [correlation](Metadata::correlation) of the message for which it made room, where that is known. So that who
    /// tells of losses by messages does not take the room of others for ever.
    pub made_room_for: Option<CorrelationId>,
}

impl Lost {
    /// What is told of a record that is gone.
    pub fn new(record: Record, cause: LossCause) -> Self {
        Self {
            sequence: record.sequence,
            lane: record.message.lane,
            metadata: record.message.metadata,
            stored: record.stored,
            cause,
            made_room_for: None,
        }
    }

    /// Says for which message it made room, by its correlation.
    pub fn made_room_for(mut self, message: CorrelationId) -> Self {
        self.made_room_for = Some(message);
        self
    }
}

/// The rule by which a record is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossCause {
    /// It made room for one that matters as much or more.
    Full,
    /// It became older than [`max_age`](super::SpoolConfig::max_age).
    TooOld,
    /// Its message's own [expiry](Metadata::expires) has passed: it is worth nothing any more.
    Expired,
}

/// A file that was no good spool any more. A new one is in its place, with all records of the old one that were whole.
///
/// Some of those may have been removed before: they are sent twice. Records that the file had lost altogether, a piece
/// cut off for example, nobody knows, unless the spool was open meanwhile.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Damage {
    /// What was wrong: [`Malformed`](algedonic_transport::ErrorKind::Malformed).
    pub error: Error,
    /// Where the damaged file is now, for a person to look at; nothing deletes it. None if it is gone, or if who has put
    /// it aside did not live to tell.
    pub aside: Option<PathBuf>,
    /// Records that were whole, and are in the new file.
    pub salvaged: u64,
    /// Records that were there before, and are not any more; known only if the damage was found while the spool was
    /// open.
    pub missing: Option<u64>,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(lost) => lost.fmt(f),
            Self::Damaged(damage) => damage.fmt(f),
            Self::Broken(error) => write!(f, "the spool is broken: {error}"),
            Self::Mended => f.write_str("the spool works again"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sequence,
            metadata,
            cause,
            ..
        } = self;
        let (key, id) = (&metadata.key, metadata.id);
        write!(f, "record {sequence} ({key}, {id}) was dropped: {cause}")
    }
}

impl fmt::Display for LossCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the spool is full",
            Self::TooOld => "it is too old",
            Self::Expired => "it has expired",
        })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            error,
            aside,
            salvaged,
            missing,
        } = self;
        write!(f, "{error}; {salvaged} records were whole, and are kept")?;
        if let Some(missing) = missing {
            write!(f, ", {missing} are missing")?;
        }
        match aside {
            Some(path) => write!(f, "; the file is now {}", path.display()),
            None => Ok(()),
        }
    }
}
