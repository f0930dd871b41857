use std::{
    fmt,
    future::poll_fn,
    ops::Deref,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::mpsc;

use super::desk::Shared;
use crate::{Signal, event::Envelope};

/// A pain at a seat of the chain, whose holder is to react to it.
///
/// Dropping it changes nothing: it goes up when its time has passed.
#[derive(Clone)]
pub struct Pain {
    pub(super) signal: Envelope<Signal>,
    pub(super) desk: Weak<Shared>,
}

impl Pain {
    /// Takes it: it goes no higher. False if it was settled already: by another, by a pleasure, at the end of the chain.
    ///
    /// That the cause is gone is for a pleasure to say; until then the same pain may be raised anew.
    pub fn acknowledge(&self) -> bool {
        let desk = self.desk.upgrade();
        desk.is_some_and(|desk| desk.acknowledge(self.signal.id()))
    }

    /// The signal, as it was raised for this seat.
    pub fn signal(&self) -> &Envelope<Signal> {
        &self.signal
    }
}

impl Deref for Pain {
    type Target = Signal;

    fn deref(&self) -> &Signal {
        &self.signal
    }
}

impl fmt::Debug for Pain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pain").field(&*self.signal).finish()
    }
}

/// The pains of one seat; made by [`Chain::seat`](crate::Chain::seat). A [`Stream`], which ends with the bus.
///
/// As many wait in it as pains may be open. Further ones, for a holder that does not read, are not put into it; they go up
/// the chain, as all that nobody acknowledges.
pub struct SeatSubscription {
    pub(super) pains: mpsc::Receiver<Pain>,
}

impl SeatSubscription {
    /// The next pain; None when the bus has ended.
    ///
    /// # Cancellation
    ///
    /// May be dropped at any time without losing one.
    pub async fn recv(&mut self) -> Option<Pain> {
        poll_fn(|cx| self.pains.poll_recv(cx)).await
    }
}

impl Stream for SeatSubscription {
    type Item = Pain;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Pain>> {
        self.pains.poll_recv(cx)
    }
}

impl fmt::Debug for SeatSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeatSubscription")
    }
}
