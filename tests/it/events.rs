use algedonic::{Event, Key, KeyError};
use serde::{Deserialize, Serialize};

/// An event that could travel, and here need not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) publisher: u32,
    pub(crate) number: u64,
}

impl Event for Tick {
    const NAME: &'static str = "test.tick";
}

impl Tick {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            publisher: 0,
            number,
        }
    }
}

/// A subsystem's change of state (requirement 0.07); its key depends on the instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateChange {
    pub(crate) subsystem: String,
    pub(crate) old_state: String,
    pub(crate) new_state: String,
}

impl Event for StateChange {
    const NAME: &'static str = "vsm.state_change";
    const KEYS: &'static str = "*.state_change";

    fn key(&self) -> Result<Key, KeyError> {
        Key::new(format!("{}.state_change", self.subsystem))
    }
}

impl StateChange {
    pub(crate) fn of(subsystem: &str) -> Self {
        Self {
            subsystem: subsystem.into(),
            old_state: "planning".into(),
            new_state: "executing".into(),
        }
    }
}
