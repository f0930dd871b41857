use std::fmt;

use algedonic_transport::Priority;
use serde::{Deserialize, Serialize};

/// What a signal expresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feeling {
    /// Something is wrong.
    Pain,
    /// Something is well, or well again.
    Pleasure,
}

/// How much a signal matters; ordered, `Low` first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing. Priority 2.
    Low,
    /// Worth a look. Priority 5.
    Medium,
    /// Somebody should act. Priority 8.
    High,
    /// Somebody must act now. Priority 10.
    Critical,
}

impl Level {
    /// All, the most severe first.
    pub(crate) const DESCENDING: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The level that a message of this priority belongs to.
    pub(crate) fn of_priority(priority: Priority) -> Self {
        let level = |level: &Self| level.priority() <= priority;
        Self::DESCENDING
            .into_iter()
            .find(level)
            .unwrap_or(Self::Low)
    }

    /// The message priority of the level (requirement 0.09).
    pub const fn priority(self) -> Priority {
        Priority::new(match self {
            Self::Low => 2,
            Self::Medium => 5,
            Self::High => 8,
            Self::Critical => 10,
        })
    }
}

impl fmt::Display for Feeling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pain => "pain",
            Self::Pleasure => "pleasure",
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}
