//! What `host_monitor` and `host_watch` share.

pub(crate) mod events;
pub(crate) mod mirror;
pub(crate) mod options;
pub(crate) mod paint;
