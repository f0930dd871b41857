//! What is to be sent, as the pump takes it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, ready},
};

use algedonic_transport::{Error, ErrorKind, Key, Lane, Message, Metadata};
use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};

use super::{Reply, feed::AnyFeed};
use crate::{
    event::{Envelope, codec},
    local::Merge,
    signal::Signal,
    turn,
};

/// Gives one message after another.
pub(super) trait Intake: Send {
    /// The next one. None at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outgoing>>;

    /// Waits, while nothing is taken, until something has come that is to be looked at.
    fn poll_rung(&mut self, cx: &Context<'_>) -> Poll<()>;

    /// Notes what has come since the last call, and when.
    fn look(&mut self);

    /// Whether it may take a few milliseconds to see what nobody awaits.
    fn set_lingering(&mut self, lingers: bool);
}

/// One event or signal on its way out.
pub(super) struct Outgoing {
    /// Or why it cannot be one.
    pub(super) message: Result<Message, Error>,
    pub(super) reply: Reply,
    /// By then its outcome is said.
    pub(super) due: Instant,
}

/// Events, out of the lanes of their types.
pub(super) type Events = Merge<Box<dyn AnyFeed>>;

impl Intake for Events {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        ready!(turn::spend(cx));
        Self::poll_next(self, cx)
    }

    fn poll_rung(&mut self, cx: &Context<'_>) -> Poll<()> {
        Self::poll_rung(self, cx)
    }

    fn look(&mut self) {
        Self::look(self, Instant::now());
    }

    fn set_lingering(&mut self, lingers: bool) {
        Self::set_lingering(self, lingers);
    }
}

/// Signals, which have a queue of their own.
pub(super) type Signals = mpsc::Receiver<Raised>;

pub(super) enum Raised {
    Signal {
        envelope: Envelope<Signal>,
        reply: Reply,
        due: Instant,
    },
    /// Nothing comes after this.
    Drain,
}

impl Intake for Signals {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outgoing>> {
        let raised = ready!(self.poll_recv(cx));
        let Some(Raised::Signal {
            envelope,
            reply,
            due,
        }) = raised
        else {
            return Poll::Ready(None);
        };
        let metadata = envelope.metadata();
        let message = message(metadata, Lane::Signal, || codec::encode(&*envelope));
        Poll::Ready(Some(Outgoing {
            message,
            reply,
            due,
        }))
    }

    fn poll_rung(&mut self, _: &Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn look(&mut self) {}

    fn set_lingering(&mut self, _: bool) {}
}

/// The message with this body. A panicking `Serialize` costs its own event only.
pub(super) fn message(
    metadata: Metadata,
    lane: Lane,
    encode: impl FnOnce() -> Result<Bytes, Error>,
) -> Result<Message, Error> {
    let body = catch_unwind(AssertUnwindSafe(encode));
    let body = body.unwrap_or_else(|_| Err(panicked(&metadata.name)))?;
    Ok(Message::new(metadata, lane, codec::CONTENT_TYPE, body))
}

fn panicked(name: &Key) -> Error {
    Error::permanent(ErrorKind::Malformed, "encode an event")
        .with_detail(format!("the Serialize of {name} panicked"))
}
