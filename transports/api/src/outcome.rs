use std::{fmt, sync::Arc};

/// What became of a message that was handed over.
///
/// A message that was certainly *not* handed over is an [`Error`](crate::Error) instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The other side has taken responsibility, and at least one receiver is there to get it.
    Confirmed,
    /// The other side works, but nobody there wants this key: the message is gone.
    NotRouted,
    /// The other side refused to take it (a nack, for example of a full queue).
    Rejected {
        /// The other side's words, if it had any.
        reason: Arc<str>,
    },
    /// It may have arrived, or not: the link failed or the deadline passed before the answer.
    /// Sent again under the same id, it may arrive twice.
    Unknown {
        /// What stood in the way of the answer.
        reason: Arc<str>,
    },
}

impl Outcome {
    /// An [`Unknown`](Self::Unknown) with this reason.
    pub fn unknown(reason: impl Into<Arc<str>>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }

    /// A [`Rejected`](Self::Rejected) with this reason.
    pub fn rejected(reason: impl Into<Arc<str>>) -> Self {
        Self::Rejected {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::NotRouted => f.write_str("not routed"),
            Self::Rejected { reason } => write!(f, "rejected: {reason}"),
            Self::Unknown { reason } => write!(f, "unknown: {reason}"),
        }
    }
}
