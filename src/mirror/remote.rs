use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use algedonic_transport::{Error, Outcome};
use pin_project::pin_project;
use tokio::sync::oneshot;

use crate::observe::Ledger;

/// What became of an event beyond this process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Remote {
    /// The other side has taken responsibility, and somebody there is to get it.
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
    /// Too many events waited to be sent; see [`Mirror::queue`](crate::Mirror::queue).
    QueueFull,
    /// It can never be sent as it is: too large, or it cannot be encoded.
    Refused(Error),
    /// The bus was shut down before its turn.
    ShutDown,
}

impl Remote {
    /// Whether the other side has it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Self::Confirmed)
    }

    /// Whether it certainly stayed in this process.
    pub fn is_local_only(&self) -> bool {
        matches!(self, Self::LocalOnly(_))
    }

    pub(super) fn count(&self, ledger: &Ledger) {
        match self {
            Self::Confirmed => ledger.confirmed.add(1),
            Self::Unroutable => ledger.unroutable.add(1),
            Self::Rejected { .. } => ledger.rejected.add(1),
            Self::Unknown { .. } => ledger.unknown.add(1),
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
            Self::QueueFull => f.write_str("too many events wait to be sent"),
            Self::ShutDown => f.write_str("the bus was shut down"),
        }
    }
}

/// The publisher's end of one remote outcome.
#[derive(Debug)]
pub(crate) enum Pending {
    Known(Remote),
    Awaited(oneshot::Receiver<Remote>),
}

impl Pending {
    pub(crate) fn local_only(why: LocalOnly) -> Self {
        Self::Known(Remote::LocalOnly(why))
    }
}

/// The mirror's end of one remote outcome. Dropped without an answer it says that the bus was shut
/// down, so that the other end always resolves.
#[derive(Debug)]
pub(crate) struct Reply {
    sender: Option<oneshot::Sender<Remote>>,
    ledger: Arc<Ledger>,
    /// Whether the message was handed to the transport: from then on nobody can say that it stayed.
    handed_over: bool,
}

impl Reply {
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, Pending) {
        let (sender, receiver) = oneshot::channel();
        let reply = Self {
            sender: Some(sender),
            ledger,
            handed_over: false,
        };
        (reply, Pending::Awaited(receiver))
    }

    pub(super) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    pub(super) fn send(mut self, remote: Remote) {
        self.resolve(remote);
    }

    fn resolve(&mut self, remote: Remote) {
        if let Some(sender) = self.sender.take() {
            remote.count(&self.ledger);
            // Nobody needs to be listening.
            let _ = sender.send(remote);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.sender.is_some() {
            self.resolve(if self.handed_over {
                Remote::Unknown {
                    reason: "the bus was shut down before the answer came".into(),
                }
            } else {
                Remote::LocalOnly(LocalOnly::ShutDown)
            });
        }
    }
}

/// The remote outcome of one event, as a future; made by [`Receipt::remote`](crate::Receipt::remote).
///
/// Resolves exactly once, by the mirror's [`deadline`](crate::Mirror::deadline) after the event's
/// turn came, or when the bus is shut down or dropped. May be dropped: the event goes its way.
#[pin_project]
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Mirrored {
    pending: Option<Pending>,
}

impl Mirrored {
    pub(crate) fn new(pending: Pending) -> Self {
        Self {
            pending: Some(pending),
        }
    }
}

impl Future for Mirrored {
    type Output = Remote;

    /// # Panics
    ///
    /// When it is polled after it has resolved.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Remote> {
        let this = self.project();
        let remote = match this.pending.as_mut().expect("polled after it has resolved") {
            Pending::Known(remote) => remote.clone(),
            Pending::Awaited(receiver) => match Pin::new(receiver).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(remote)) => remote,
                // A reply always answers, unless its thread died in the act.
                Poll::Ready(Err(_)) => Remote::Unknown {
                    reason: "the mirror ended without an answer".into(),
                },
            },
        };
        *this.pending = None;
        Poll::Ready(remote)
    }
}
