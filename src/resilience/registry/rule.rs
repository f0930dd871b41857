//! How is the whole, when its parts are so? Pure.

use super::Health;
use crate::resilience::breaker::State;

/// A breaker, as far as the rule knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) state: State,
    pub(super) is_critical: bool,
}

/// Unhealthy: a critical breaker is open, or more than half of all breakers. Degraded: any is open or half-open, or a
/// bulkhead rejects calls. A part that gets worse never makes the whole better.
pub(super) fn overall(breakers: &[Part], is_rejecting: bool) -> Health {
    let is_open = |part: &&Part| matches!(part.state, State::Open | State::ForcedOpen);
    let open = breakers.iter().filter(is_open).count();
    if breakers.iter().filter(is_open).any(|part| part.is_critical) || open > breakers.len() / 2 {
        Health::Unhealthy
    } else if open > 0 || breakers.iter().any(|part| part.state == State::HalfOpen) || is_rejecting
    {
        Health::Degraded
    } else {
        Health::Healthy
    }
}
