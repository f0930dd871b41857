//! What the bus knows of itself: its books and its health.

mod books;
mod health;
mod ledger;
#[cfg(test)]
pub(crate) mod logged;
mod remote;
mod settled;

pub use self::{
    books::{Account, Books, PatternBooks, SubscriberBooks, TypeBooks},
    health::{Health, MirrorHealth, Status},
    ledger::Counts,
    remote::{LocalOnly, Remote},
};
pub(crate) use self::{ledger::Ledger, settled::Settled};
