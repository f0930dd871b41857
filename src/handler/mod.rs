//! Handlers: functions that the bus drives from a subscription.

mod builder;
mod set;

pub use self::builder::{Handler, HandlerBuilder};
pub(crate) use self::set::{Ended, HandlerSet};
