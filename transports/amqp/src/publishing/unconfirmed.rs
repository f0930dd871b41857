//! Which messages are to be published again, and how carefully?

use std::collections::VecDeque;

use tokio::time::Instant;

use super::parcel::Parcel;

/// The messages that were on a channel when it ended, in the order of their publishing, and that
/// have time left. They are published again, with the same ids, before any other.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    parcels: VecDeque<Parcel>,
    /// Of so many of the oldest, one has cost them their channel: these are published one at a time.
    suspects: usize,
}

impl Unconfirmed {
    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Puts back what was taken, and was not confirmed: `parcels`, in the order of their publishing.
    /// `suspect`: one of them is to blame for the end of the channel.
    pub(super) fn put_back(&mut self, parcels: Vec<Parcel>, suspect: bool) {
        if suspect {
            self.suspects = parcels.len();
        } else if self.suspects > 0 {
            self.suspects += parcels.len();
        }
        for parcel in parcels.into_iter().rev() {
            self.parcels.push_front(parcel);
        }
    }

    /// The next to be published again, while `in_flight` are on the channel.
    pub(super) fn next(&mut self, in_flight: usize) -> Option<Parcel> {
        if self.suspects > 0 && in_flight > 0 {
            return None;
        }
        let parcel = self.parcels.pop_front()?;
        self.suspects = self.suspects.saturating_sub(1);
        Some(parcel)
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parcels.iter().map(|parcel| parcel.deadline).min()
    }

    /// Lets go of those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        let Self { parcels, suspects } = self;
        let suspected = *suspects;
        let mut at = 0;
        parcels.retain_mut(|parcel| {
            let late = parcel.deadline <= now;
            if late {
                parcel.expire();
                *suspects -= usize::from(at < suspected);
            }
            at += 1;
            !late
        });
    }
}
