//! What becomes of one message that is to be kept?

use std::{
    future::{poll_fn, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use algedonic_transport::{BoxFuture, Error, Lane, Message, Transport};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{
    keeper::{Keeps, Way},
    line::{Admitted, Appending, Place},
    replay::Flight,
};
use crate::{
    observe::{LocalOnly, Remote},
    spool::Spool,
};

/// How long a disk may take before a signal is sent past it.
const HANGS: Duration = Duration::from_secs(1);

/// One message that must be confirmed, or on the disk.
pub(in crate::mirror) struct Ticket {
    pub(super) place: Place,
    pub(super) way: Way,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) keeps: Keeps,
    pub(super) message: Message,
}

impl Ticket {
    /// Whether it may be sent without the disk, now: nothing is before it there.
    pub(in crate::mirror) fn is_direct(&self) -> bool {
        self.place.is_direct()
    }

    /// Waits until it is confirmed, or on the disk. `direct` is what becomes of it without the disk.
    pub(in crate::mirror) async fn secure(
        mut self,
        mut direct: BoxFuture<Remote>,
        due: Instant,
    ) -> Remote {
        if self.place.holds && self.is_admitted().await {
            // In the order of the places, which is that of the calls.
            direct = send(&self.transport, self.message.clone(), due);
            if let Some(remote) = direct.as_mut().now_or_never() {
                // Before the next is sent, which would overtake it.
                if self.keeps.keeps(&remote) {
                    self.place.close();
                }
                direct = Box::pin(ready(remote));
            }
            self.place.left();
            self.place.is_direct = true;
        }
        let mut said = if self.place.is_direct {
            let patience = async {
                match self.keeps.patience() {
                    Some(patience) => sleep(patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                remote = &mut direct => Some(remote),
                // Another was not confirmed: the order is that of the disk now.
                () = self.place.closed() => None,
                () = patience => None,
            }
        } else {
            Some(direct.as_mut().await)
        };
        if let Some(remote) = said.take_if(|remote| !self.keeps.keeps(remote)) {
            return remote;
        }
        self.place.close();
        if said.is_none() {
            tokio::select! {
                biased;
                remote = &mut direct => said = Some(remote),
                () = self.place.turn() => {}
            }
            if let Some(remote) = said.take_if(|remote| !self.keeps.keeps(remote)) {
                return remote;
            }
        }
        self.place.turn().await;
        self.keep(said, direct, due).await
    }

    /// Has it stored. If nothing was `said` of it yet, it is on its way all the same.
    async fn keep(self, said: Option<Remote>, direct: BoxFuture<Remote>, due: Instant) -> Remote {
        let Self {
            place,
            way,
            spool,
            transport,
            keeps,
            message,
        } = self;
        let is_signal = keeps.lane() == Lane::Signal;
        let is_on_its_way = said.is_none();
        // What may still become of it without the disk. A signal that has not left can be sent past all that lies there.
        let mut past = match said {
            None => Some(direct),
            Some(Remote::LocalOnly(_)) if is_signal => {
                let message = message.clone();
                Some(Box::pin(async move { send(&transport, message, due).await }) as BoxFuture<_>)
            }
            Some(_) => None,
        };
        let mut stored = pin!(append(&*spool, message, place));
        let stored = tokio::select! {
            biased;
            stored = &mut stored => stored,
            remote = hangs(&mut past), if is_signal => {
                past = None;
                if !keeps.keeps(&remote) {
                    return remote;
                }
                stored.await
            }
        };
        let error = match stored {
            Ok(sequence) => {
                if let Some(direct) = past.filter(|_| is_on_its_way) {
                    // The replay has ended only if the mirror has.
                    let _ = way.flights.send(Flight { sequence, direct });
                }
                return Remote::Spooled;
            }
            Err(error) => error,
        };
        match past {
            Some(past) => Some(past.await).filter(|remote| !keeps.keeps(remote)),
            None => None,
        }
        .unwrap_or(Remote::LocalOnly(LocalOnly::NotSpooled(error)))
    }

    /// Waits for the line, but no longer than for a confirm. Whether it has opened.
    async fn is_admitted(&self) -> bool {
        let patience = self.keeps.patience().unwrap_or(HANGS);
        let admitted = if let Ok(admitted) = timeout(patience, self.place.admitted()).await {
            admitted
        } else {
            self.place.give_up_opening();
            self.place.admitted().await
        };
        admitted == Admitted::Now
    }
}

/// Puts a message into the spool, at its place there, for which it gives up the one in the line.
async fn append(spool: &dyn Spool, message: Message, place: Place) -> Result<u64, Error> {
    let mut place = Some(place);
    let mut appending: Option<Appending> = None;
    let mut append = pin!(spool.append(message));
    poll_fn(|cx| {
        let stored = append.as_mut().poll(cx);
        if let Some(place) = place.take() {
            appending = Some(place.append());
        }
        stored
    })
    .await
}

/// What becomes of it without the disk, where that hangs.
async fn hangs(past: &mut Option<BoxFuture<Remote>>) -> Remote {
    sleep(HANGS).await;
    match past {
        Some(past) => past.await,
        None => std::future::pending().await,
    }
}

/// Hands a message to the transport, at once, without any layer; its outcome is known when it is due.
fn send(transport: &Arc<dyn Transport>, message: Message, due: Instant) -> BoxFuture<Remote> {
    let sent = transport.send(message);
    Box::pin(async move {
        match timeout_at(due, sent).await {
            Ok(Ok(outcome)) => outcome.into(),
            Ok(Err(error)) => Remote::LocalOnly(LocalOnly::Away(error)),
            Err(_) => Remote::unknown("no outcome within the mirror's timeout"),
        }
    })
}
