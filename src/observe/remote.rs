use std::{fmt, sync::Arc};

use algedonic_transport::{Error, Outcome};

use super::Ledger;

/// What became of an event beyond this process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Remote {
    /// The other side has taken responsibility, and at least one receiver there is to get it; where
    /// this bus receives what it sends, that may be this bus.
    Confirmed,
    /// The other side works, but nobody there wants this key.
    Unroutable,
    /// The other side refused it, for example because a queue is full.
    Rejected {
        /// The other side's words, if it had any.
        reason: Arc<str>,
    },
    /// It may have arrived, or not.
    Unknown {
        /// What stood in the way of the answer.
        reason: Arc<str>,
    },
    /// It is on the disk, synced, and will be sent until the other side has it: by this process, or by the next that
    /// opens the [spool](crate::spool). It may have arrived already.
    Spooled,
    /// It certainly did not leave this process.
    LocalOnly(LocalOnly),
}

/// Why an event stayed in this process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LocalOnly {
    /// Its type is not registered to be sent.
    NotMirrored,
    /// The bus has no transport.
    NoTransport,
    /// The other side cannot be reached now, or asked for silence.
    Away(Error),
    /// Too many events waited to be sent; see [`Mirror::outbound_capacity`](crate::Mirror::outbound_capacity).
    QueueFull,
    /// It can never be sent as it is: too large, or it cannot be encoded.
    Refused(Error),
    /// It could not be kept on the disk, where it was to wait for the other side: why.
    NotSpooled(Error),
    /// The bus was shut down before its turn.
    ShutDown,
}

impl Remote {
    pub(crate) fn unknown(reason: impl Into<Arc<str>>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }

    /// Whether the other side has it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed)
    }

    /// Whether the other side has it, or will get it from the disk.
    pub fn is_safe(&self) -> bool {
        matches!(self, Self::Confirmed | Self::Spooled)
    }

    /// Whether it certainly stayed in this process.
    pub fn is_local_only(&self) -> bool {
        matches!(self, Self::LocalOnly(_))
    }

    pub(crate) fn count(&self, ledger: &Ledger) {
        match self {
            Self::Confirmed => ledger.confirmed.add(1),
            Self::Unroutable => ledger.unroutable.add(1),
            Self::Rejected { .. } => ledger.rejected.add(1),
            Self::Unknown { .. } => ledger.unknown.add(1),
            Self::Spooled => ledger.spooled.add(1),
            Self::LocalOnly(_) => ledger.local_only.add(1),
        }
    }
}

impl From<Outcome> for Remote {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Confirmed => Self::Confirmed,
            Outcome::NotRouted => Self::Unroutable,
            Outcome::Rejected { reason } => Self::Rejected { reason },
            Outcome::Unknown { reason } => Self::Unknown { reason },
            other => Self::Unknown {
                reason: other.to_string().into(),
            },
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::Unroutable => f.write_str("unroutable: nobody there wants it"),
            Self::Rejected { reason } => write!(f, "rejected: {reason}"),
            Self::Unknown { reason } => write!(f, "unknown: {reason}"),
            Self::Spooled => f.write_str("spooled: on the disk, to be sent"),
            Self::LocalOnly(why) => write!(f, "local only: {why}"),
        }
    }
}

impl fmt::Display for LocalOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMirrored => f.write_str("the type is not mirrored"),
            Self::NoTransport => f.write_str("there is no transport"),
            Self::Away(error) | Self::Refused(error) => write!(f, "{error}"),
            Self::NotSpooled(error) => write!(f, "and not on the disk: {error}"),
            Self::QueueFull => f.write_str("too many events wait to be sent"),
            Self::ShutDown => f.write_str("the bus was shut down"),
        }
    }
}
