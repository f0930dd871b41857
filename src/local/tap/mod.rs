//! The mirror's way into the lanes: one more reader of each that it sends from. So a publisher does no more for it than for
//! any other reader: it appends the event, and wakes who sleeps.
//!
//! Beside each entry of such a lane lie its [`Stamp`] in the order over lanes and the cell for its outcome, which the
//! receipt owns, too (`log/margin`). A [`Tap`](super::Tap) reads one lane, and [`Merge`] reads all of them in order. What
//! they cannot keep up with is refused by the publisher who goes on without them; never does one wait.

mod bells;
#[cfg(test)]
pub(super) mod fixture;
mod linger;
mod merge;
mod outcomes;
mod sequencer;
#[cfg(all(test, not(algedonic_loom)))]
mod tests;

use std::sync::Arc;

pub(crate) use self::{
    bells::Bells,
    merge::{Feed, Merge, Rest},
    outcomes::{Outcomes, Refusal},
    sequencer::{Number, Sequencer, Stamp},
};
use crate::observe::Ledger;

/// What the taps of one bus have in common.
pub(crate) struct Taps {
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) bells: Arc<Bells>,
    pub(crate) ledger: Arc<Ledger>,
    /// How many of the latest events each lane keeps for its tap.
    pub(crate) keep: u64,
}

/// One lane's part in it.
pub(super) struct Tapped {
    pub(super) bells: Arc<Bells>,
    pub(super) index: usize,
}

impl Taps {
    /// For so many lanes.
    pub(crate) fn new(lanes: usize, keep: u64, ledger: &Arc<Ledger>) -> Self {
        Self {
            sequencer: Arc::new(Sequencer::new()),
            bells: Arc::new(Bells::new(lanes)),
            ledger: Arc::clone(ledger),
            keep,
        }
    }
}
