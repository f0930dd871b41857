use std::fmt;

use serde::{Deserialize, Serialize};

/// What a breaker does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Lets it through, and counts its outcome.
    Closed,
    /// Lets it through; nothing is counted, until somebody resets the breaker.
    Disabled,
    /// Rejects it, until somebody resets the breaker.
    ForcedOpen,
    /// Lets some through, to find out whether the dependency is back.
    HalfOpen,
    /// Rejects it, until the open period is over.
    Open,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Closed => "closed",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced open",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        })
    }
}
