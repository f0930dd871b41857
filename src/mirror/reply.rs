use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::sync::oneshot;

use super::{LocalOnly, Remote};
use crate::observe::Ledger;

/// The publisher's end of one remote outcome.
#[derive(Debug)]
pub(crate) enum Pending {
    /// The bus has no mirror.
    NoTransport,
    /// The mirror does not send this type.
    NotMirrored,
    /// In a box: dropping one of the others is then a look at a number, where they are made and dropped.
    Awaited(Box<oneshot::Receiver<Remote>>),
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
        ledger.mirrored.add(1);
        let (sender, receiver) = oneshot::channel();
        let reply = Self {
            sender: Some(sender),
            ledger,
            handed_over: false,
        };
        (reply, Pending::Awaited(Box::new(receiver)))
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
/// Resolves exactly once: by the mirror's [`timeout`](crate::Mirror::timeout) after the publish, or
/// when the bus is shut down or dropped. May be dropped: the event goes its way.
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
            Pending::NoTransport => Remote::LocalOnly(LocalOnly::NoTransport),
            Pending::NotMirrored => Remote::LocalOnly(LocalOnly::NotMirrored),
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
