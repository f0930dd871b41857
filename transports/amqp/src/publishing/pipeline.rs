//! How do messages get through one confirm channel, many at a time?
//!
//! It is behind a lock (`line`): two who publish on one channel at once would swap their confirms inside lapin.

use std::sync::Arc;

use algedonic_transport::Error;
use lapin::{Channel, types::ShortString};
use tokio::time::Instant;

use super::{
    confirm::{Confirm, Fault, Outlet},
    parcel::{Late, Parcel},
    patience::Patience,
    unconfirmed::Unconfirmed,
};
use crate::{
    error::{During, lost},
    transport::Shared,
    window::{Calls, Fate, Window},
    wire,
};

/// One confirm channel with what is in flight on it.
pub(super) struct Pipeline {
    outlet: Arc<Outlet>,
    shared: Arc<Shared>,
    window: Window<(u64, Box<Parcel>), Confirm>,
    /// The number of the next message on this channel.
    next: u64,
    /// What got no answer, since the channel has failed.
    failed: Vec<(u64, Box<Parcel>)>,
    patience: Patience,
    /// How many were confirmed, or refused by themselves, on this channel.
    answered: u64,
}

/// Outcomes to be told.
pub(super) type Told = Vec<(Box<Parcel>, Fate)>;

/// How a pipeline has ended.
pub(super) struct Ended {
    pub(super) fault: Fault,
    /// The broker has refused one message.
    pub(super) refused: bool,
}

impl Pipeline {
    pub(super) fn new(channel: Channel, exchange: ShortString, shared: Arc<Shared>) -> Self {
        Self {
            outlet: Arc::new(Outlet::new(channel, exchange)),
            patience: Patience::new(shared.config.confirm_timeout, Instant::now()),
            shared,
            window: Window::new(),
            next: 0,
            failed: Vec::new(),
            answered: 0,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.window.in_flight()
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether lapin still takes messages on it.
    pub(super) fn is_open(&self) -> bool {
        self.outlet.channel.status().connected()
    }

    /// Puts a message on the channel; gives its number and slot in the window.
    pub(super) fn publish(&mut self, mut parcel: Box<Parcel>) -> Option<(u64, usize)> {
        let encoded = match parcel.encoded.take() {
            Some(encoded) => encoded,
            None => match wire::encode(&parcel.message, self.shared.config.wire_form) {
                Ok(encoded) => encoded,
                // It was encoded once, by the same rules.
                Err(error) => {
                    parcel.reject(error.to_string());
                    return None;
                }
            },
        };
        if let Some(ticket) = &mut parcel.ticket {
            ticket.hand_over();
        }
        if self.window.is_empty() {
            self.patience.renew(Instant::now());
        }
        let (id, deadline) = (encoded.id, parcel.deadline);
        let write = self.outlet.write(encoded);
        let at = self.window.push(id, deadline, write, (self.next, parcel));
        self.next += 1;
        Some(at)
    }

    /// Who is called when there may be something to [`settle`](Self::settle).
    pub(super) fn calls(&self) -> &Arc<Calls> {
        self.window.calls()
    }

    /// Puts the outcomes that are known by now into `told`. False: the channel has failed, and it is known why,
    /// or will not be.
    pub(super) fn settle(&mut self, told: &mut Told) -> bool {
        let decided = self.window.drain();
        if decided.len() > 0 {
            self.patience.renew(Instant::now());
        }
        for ((number, parcel), fate) in decided {
            if let Fate::Unknown(_) = fate {
                self.failed.push((number, parcel));
            } else {
                self.answered += 1;
                if fate == Fate::NotRouted {
                    let message = &parcel.message;
                    self.shared
                        .hearing
                        .unrouted(message.lane, &message.metadata.key);
                }
                told.push((parcel, fate));
            }
        }
        self.failed.is_empty() || (self.outlet.fault.get().is_none() && self.in_flight() > 0)
    }

    /// When the broker must have answered, if it owes something.
    fn owed_until(&self) -> Option<Instant> {
        let oldest = self.window.oldest();
        let bytes = oldest.map_or(0, |(_, parcel)| parcel.message.body.len());
        self.patience.ends(bytes)
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let owed = self.owed_until().filter(|_| !self.window.is_empty());
        self.window.deadline().into_iter().chain(owed).min()
    }

    /// Puts those whose time is over into `late`. An error: the broker owes answers, has no `alarm`, and sends
    /// none.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        alarm: bool,
        late: &mut Vec<Late>,
    ) -> Result<(), Error> {
        self.window
            .expire(now, |(_, parcel)| late.extend(parcel.expire()));
        self.patience.alarm(alarm, now);
        match self.owed_until() {
            Some(end) if !self.window.is_empty() && now >= end => Err(lost(
                During::Publish,
                "the broker owes confirms, and sends none",
            )),
            _ => Ok(()),
        }
    }

    /// Ends it, for this reason or the one that it knows better: what has no answer by now is to be
    /// published again. Unless the broker closed the channel and there is only one: it was that one, and the
    /// broker has refused it.
    pub(super) fn end(mut self, reason: Error, unconfirmed: &mut Unconfirmed) -> Ended {
        let words: Arc<str> = reason.to_string().into();
        let mut ended = std::mem::take(&mut self.failed);
        for (parcel, fate) in self.window.finish(&words) {
            if let Fate::Unknown(_) = fate {
                ended.push(parcel);
            } else {
                parcel.1.resolve(fate);
            }
        }
        let fault = self.outlet.fault.get().cloned().unwrap_or(Fault {
            error: reason,
            blames: false,
        });
        ended.sort_unstable_by_key(|(number, _)| *number);
        let mut ended: Vec<_> = ended.into_iter().map(|(_, parcel)| parcel).collect();
        let refused = fault.blames && ended.len() == 1;
        if refused && let Some(parcel) = ended.pop() {
            tracing::warn!(id = %parcel.message.metadata.id, error = %fault.error, "the broker refuses a message");
            parcel.reject(fault.error.to_string());
        }
        ended.retain(|parcel| parcel.ticket.is_some());
        unconfirmed.put_back(ended, fault.blames);
        Ended { fault, refused }
    }
}
