//! Handlers of signals: functions that the bus calls, on a bulkhead of their own.

mod builder;
mod drive;
mod guard;
mod in_hand;

pub use self::{builder::SignalHandlerBuilder, guard::SignalHandler};
