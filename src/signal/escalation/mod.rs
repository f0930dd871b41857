//! What becomes of a pain to which nobody reacts? It goes up the chain, one level higher at each seat.

mod chain;
mod config;
mod desk;
mod pain;
#[cfg(test)]
mod tests;

pub(crate) use self::desk::Desk;
pub use self::{
    config::Escalation,
    desk::{Chain, ChainCounts},
    pain::{Pain, SeatSubscription},
};
