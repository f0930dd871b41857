//! Handlers: tower services that the bus drives from a subscription. Concurrency, order by key,
//! retries, groups, dead letters.
//!
//! A subscription feeds one [`Inbox`](inbox::Inbox), which the members of a group share; a handler
//! without a group is alone with its own. Each member is a task that takes one event after another
//! out of the inbox, and holds it as a [`Taken`](taken::Taken) until it is settled.

mod account;
mod attempt;
mod builder;
mod dead_letter;
mod fail;
mod fate;
mod groups;
mod guard;
mod inbox;
mod member;
mod order;
mod queue;
mod retry;
mod service;
mod set;
mod start;
mod taken;

pub(crate) use self::{attempt::panic_message, dead_letter::DEFAULT_CAPACITY, set::HandlerSet};
pub use self::{
    builder::HandlerBuilder,
    dead_letter::{DeadLetter, DeadLetterKind, DeadLetters, LetterId, RedriveError, Redriven},
    fail::Fail,
    guard::{Drained, Handler},
    retry::Retry,
    service::HandlerService,
};
