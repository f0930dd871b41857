//! What an event passes on its way out of a mirror, when nobody has said otherwise.

mod alarms;
mod breaker;
mod fallback;
mod flaky;
mod order;
mod settings;
