use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    local::{Cell, Outcomes},
    observe::{Ledger, LocalOnly, Remote},
};

/// The publisher's end of one remote outcome.
#[derive(Debug)]
pub(crate) enum Pending {
    /// The bus has no mirror.
    NoTransport,
    /// The mirror does not send this type.
    NotMirrored,
    /// The mirror has ended.
    Ended,
    Awaited(Awaited),
}

/// An outcome that will be told.
#[derive(Debug)]
pub(crate) struct Awaited {
    cell: Cell,
    /// A waker of its own may be there.
    waits: bool,
}

impl Awaited {
    #[inline]
    pub(crate) fn new(cell: Cell) -> Self {
        Self { cell, waits: false }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Remote> {
        let remote = self.cell.outcomes().poll(self.cell.at(), cx);
        self.waits = remote.is_pending();
        remote
    }
}

impl Drop for Awaited {
    #[inline]
    fn drop(&mut self) {
        if self.waits {
            drop(self.cell.outcomes().forget(self.cell.at()));
        }
    }
}

/// The mirror's end of one remote outcome. Dropped without an answer it says that the bus was shut
/// down, so that the other end always resolves.
#[derive(Debug)]
pub(crate) struct Reply {
    /// None once it has answered.
    cell: Option<Cell>,
    /// Whether the message was handed to the transport: from then on nobody can say that it stayed.
    handed_over: bool,
}

impl Reply {
    /// To an event that was taken from its lane.
    pub(super) fn to(cell: Cell) -> Self {
        Self {
            cell: Some(cell),
            handed_over: false,
        }
    }

    /// To a message by itself, with the other end.
    pub(super) fn new(ledger: &Arc<Ledger>) -> (Self, Pending) {
        ledger.mirrored.add(1);
        let cell = Cell::new(Outcomes::new(ledger));
        let taken = cell.outcomes().take(cell.at());
        debug_assert!(taken, "nobody else has it");
        let pending = Pending::Awaited(Awaited::new(cell.again()));
        (Self::to(cell), pending)
    }

    pub(super) fn hand_over(&mut self) {
        self.handed_over = true;
    }

    pub(super) fn send(mut self, remote: Remote) {
        self.resolve(remote);
    }

    fn resolve(&mut self, remote: Remote) {
        if let Some(cell) = self.cell.take() {
            cell.outcomes().tell(cell.at(), remote);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.cell.is_some() {
            self.resolve(if self.handed_over {
                Remote::unknown("the bus was shut down before the answer came")
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
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Remote> {
        let pending = self.pending.as_mut();
        let remote = match pending.expect("polled after it has resolved") {
            Pending::NoTransport => Remote::LocalOnly(LocalOnly::NoTransport),
            Pending::NotMirrored => Remote::LocalOnly(LocalOnly::NotMirrored),
            Pending::Ended => Remote::LocalOnly(LocalOnly::ShutDown),
            Pending::Awaited(awaited) => std::task::ready!(awaited.poll(cx)),
        };
        self.pending = None;
        Poll::Ready(remote)
    }
}
