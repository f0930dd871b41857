//! Handlers: functions that the bus drives from a subscription.

mod builder;
mod crew;

pub use self::builder::{Handler, HandlerBuilder};
pub(crate) use self::crew::Crew;
