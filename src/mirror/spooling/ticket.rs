//! What becomes of one message that is to be kept?

use std::{future::poll_fn, pin::pin, sync::Arc};

use algedonic_transport::{BoxFuture, Message};
use tokio::time::sleep;

use super::{
    keeper::{Keeps, Way},
    line::Place,
    replay::Flight,
};
use crate::{
    observe::{LocalOnly, Remote},
    spool::Spool,
};

/// One message that must be confirmed, or on the disk.
pub(in crate::mirror) struct Ticket {
    pub(super) place: Place,
    pub(super) way: Way,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) keeps: Keeps,
    pub(super) message: Message,
}

impl Ticket {
    /// Whether it may be sent without the disk, now: nothing is before it there.
    pub(in crate::mirror) fn is_direct(&self) -> bool {
        self.place.is_direct()
    }

    /// Waits until it is confirmed, or on the disk. `direct` is what becomes of it without the disk.
    pub(in crate::mirror) async fn secure(self, mut direct: BoxFuture<Remote>) -> Remote {
        let Self {
            place,
            way,
            spool,
            keeps,
            message,
        } = self;
        let mut said = if place.is_direct {
            let patience = async {
                match keeps.patience() {
                    Some(patience) => sleep(patience).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                remote = &mut direct => Some(remote),
                // Another was not confirmed: the order is that of the disk now.
                () = place.closed() => None,
                () = patience => None,
            }
        } else {
            Some(direct.as_mut().await)
        };
        if let Some(remote) = said.take_if(|remote| !keeps.keeps(remote)) {
            return remote;
        }
        place.close();
        if said.is_none() {
            tokio::select! {
                biased;
                remote = &mut direct => said = Some(remote),
                () = place.turn() => {}
            }
            if let Some(remote) = said.take_if(|remote| !keeps.keeps(remote)) {
                return remote;
            }
        }
        place.turn().await;
        let mut place = Some(place);
        let mut appending = None;
        let mut append = pin!(spool.append(message));
        let stored = poll_fn(|cx| {
            let stored = append.as_mut().poll(cx);
            // Now it has its place in the spool.
            if let Some(place) = place.take() {
                appending = Some(place.append());
            }
            stored
        })
        .await;
        match (stored, said) {
            (Ok(_), Some(_)) => Remote::Spooled,
            (Ok(sequence), None) => {
                // The replay has ended only if the mirror has.
                let _ = way.flights.send(Flight { sequence, direct });
                Remote::Spooled
            }
            (Err(error), said) => {
                drop(appending);
                let remote = match said {
                    Some(remote) => remote,
                    None => direct.await,
                };
                if keeps.keeps(&remote) {
                    Remote::LocalOnly(LocalOnly::NotSpooled(error))
                } else {
                    remote
                }
            }
        }
    }
}
