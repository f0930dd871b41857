use std::fmt;

use crate::Error;

/// The connection to the other side, as it is now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Link {
    /// The state.
    pub state: LinkState,
    /// Why it is not up, if it is not and the reason is known.
    pub error: Option<Error>,
    /// Attempts to connect since it was last up.
    pub attempts: u64,
    /// How often it came up, the first time included.
    pub connects: u64,
}

impl Link {
    /// A link that was never up.
    pub const fn new() -> Self {
        Self {
            state: LinkState::Connecting,
            error: None,
            attempts: 0,
            connects: 0,
        }
    }

    /// Whether a message sent now has a chance.
    pub fn is_up(&self) -> bool {
        self.state == LinkState::Up
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(error) = &self.error {
            write!(f, ": {error}")?;
        }
        Ok(())
    }
}

/// The states of a [`Link`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// The first attempt, or one after a loss, is under way.
    Connecting,
    /// Messages flow both ways.
    Up,
    /// Connected, but the other side has asked for silence (a resource alarm): counts as away.
    Blocked,
    /// Not connected; the next attempt waits for its time.
    Down,
    /// Closed by its owner, for good.
    Closed,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Blocked => "blocked",
            Self::Down => "down",
            Self::Closed => "closed",
        })
    }
}
