//! A circuit breaker: stops calling a dependency that fails, and finds out when it is back.

mod state;

pub use self::state::State;
