//! What the bus knows of itself: its books and its health.

mod health;
mod ledger;

pub(crate) use self::ledger::Ledger;
pub use self::{
    health::{Health, MirrorHealth, Status},
    ledger::Counts,
};
