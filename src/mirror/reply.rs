use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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
    /// It will be told.
    Awaited(Cell),
    /// It has been told.
    Told(Remote),
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
        let cell = Cell::new(Outcomes::new(ledger, None));
        let taken = cell.outcomes().take(cell.at());
        debug_assert!(taken, "nobody else has it");
        let pending = Pending::Awaited(cell.again());
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
    /// None once it has resolved.
    pending: Option<Pending>,
    /// A waker of its own may be with the cell.
    waits: bool,
}

impl Mirrored {
    pub(crate) fn new(pending: Pending) -> Self {
        Self {
            pending: Some(pending),
            waits: false,
        }
    }
}

impl Future for Mirrored {
    type Output = Remote;

    /// # Panics
    ///
    /// When it is polled after it has resolved.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Remote> {
        let this = &mut *self;
        let pending = this.pending.as_ref();
        let remote = match pending.expect("polled after it has resolved") {
            Pending::NoTransport => Remote::LocalOnly(LocalOnly::NoTransport),
            Pending::NotMirrored => Remote::LocalOnly(LocalOnly::NotMirrored),
            Pending::Ended => Remote::LocalOnly(LocalOnly::ShutDown),
            Pending::Told(remote) => remote.clone(),
            Pending::Awaited(cell) => {
                this.waits = true;
                ready!(cell.outcomes().poll(cell.at(), cx))
            }
        };
        this.waits = false;
        this.pending = None;
        Poll::Ready(remote)
    }
}

impl Drop for Mirrored {
    fn drop(&mut self) {
        if self.waits
            && let Some(Pending::Awaited(cell)) = &self.pending
        {
            drop(cell.outcomes().forget(cell.at()));
        }
    }
}
