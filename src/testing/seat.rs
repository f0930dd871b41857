use super::record::Record;
use crate::{
    Bus,
    observe::{Counts, TypeBooks},
};

/// One bus that is watched.
pub(super) struct Seat {
    pub(super) bus: Bus,
    pub(super) record: Record,
}

impl Seat {
    pub(super) fn new(bus: Bus) -> Self {
        Self {
            record: Record::of(&bus),
            bus,
        }
    }

    /// What is still to happen by itself, in words; and what was counted before the look.
    pub(super) fn unrest(&self) -> (Vec<String>, Counts) {
        let name = self.bus.source();
        let counts = self.bus.counts();
        let mut unrest = Vec::new();
        for books in self.bus.books().types {
            let in_hand = in_hand(&books);
            if in_hand > 0 {
                unrest.push(format!("{name}: handlers have {in_hand} {}", books.name));
            }
        }
        let outward = counts.untold();
        if outward > 0 {
            unrest.push(format!("{name}: {outward} await their remote outcome"));
        }
        let asked = counts.requests - resolved(&counts).min(counts.requests);
        if asked > 0 {
            unrest.push(format!("{name}: {asked} requests are not answered"));
        }
        (unrest, counts)
    }
}

/// How many events of a type handlers have, in their buffers, in hand, or to be tried again.
fn in_hand(books: &TypeBooks) -> u64 {
    let handled = books.subscribers.iter().filter(|books| books.handled);
    let here: u64 = handled.map(|books| books.account.in_flight).sum();
    here + books.departed.in_flight
}

/// Of the requests: those that are over.
pub(super) fn resolved(counts: &Counts) -> u64 {
    counts.requests_answered
        + counts.requests_declined
        + counts.requests_timed_out
        + counts.requests_lost
        + counts.requests_refused
        + counts.requests_withdrawn
}
