//! Which messages are to be published again, and how carefully?

use std::collections::VecDeque;

use tokio::time::Instant;

use super::parcel::Parcel;

/// The messages that were on a channel when it ended, in the order of their publishing, and that
/// have time left. They are published again, with the same ids, before any other.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    parcels: VecDeque<Parcel>,
    /// One of them has cost the others their channel.
    careful: Option<Careful>,
}

/// A batch that is answered makes the next one twice as large, one that ends its channel the next one a
/// quarter: so the one to blame is soon alone.
#[derive(Debug)]
struct Careful {
    limit: usize,
    /// So many of the present batch are on the channel, or were answered.
    handed: usize,
}

impl Unconfirmed {
    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Puts back what was taken, and was not confirmed: `parcels`, in the order of their publishing.
    /// `suspect`: one of them is to blame for the end of the channel.
    pub(super) fn put_back(&mut self, parcels: Vec<Parcel>, suspect: bool) {
        if let Some(careful) = &mut self.careful {
            careful.handed = 0;
        }
        if suspect && !parcels.is_empty() {
            // Fewer than there are, or it would never be alone.
            self.careful = Some(Careful {
                limit: (parcels.len() / 4).max(1),
                handed: 0,
            });
        }
        for parcel in parcels.into_iter().rev() {
            self.parcels.push_front(parcel);
        }
    }

    /// The next to be published again, while `in_flight` are on the channel.
    pub(super) fn next(&mut self, in_flight: usize) -> Option<Parcel> {
        if in_flight == 0 && self.parcels.is_empty() {
            self.careful = None;
        }
        if let Some(careful) = &mut self.careful {
            if in_flight == 0 && careful.handed > 0 {
                careful.limit = careful.limit.saturating_mul(2);
                careful.handed = 0;
            }
            if careful.handed >= careful.limit {
                return None;
            }
            careful.handed += 1;
        }
        self.parcels.pop_front()
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parcels.iter().map(|parcel| parcel.deadline).min()
    }

    /// Lets go of those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        self.parcels.retain_mut(|parcel| {
            let late = parcel.deadline <= now;
            if late {
                parcel.expire();
            }
            !late
        });
    }
}
