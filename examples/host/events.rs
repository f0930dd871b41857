//! The events of a host, as they travel between processes.

use algedonic::{Event, Key, KeyError};
use serde::{Deserialize, Serialize};

/// What operations (S1) read of the machine; the key is `host.cpu`, `host.memory`, …
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Counts up by one, so that a reader sees whether one is missing.
    pub(crate) number: u64,
    pub(crate) metric: Metric,
    /// In percent of what the machine has.
    pub(crate) percent: f64,
    /// The same in words.
    pub(crate) detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Metric {
    Cpu,
    Memory,
    Disk,
    Process,
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Process => "process",
        }
    }
}

impl Event for Reading {
    const NAME: &'static str = "host.reading";
    const KEYS: &'static str = "host.*";

    fn key(&self) -> Result<Key, KeyError> {
        Ok(match self.metric {
            Metric::Cpu => const { Key::from_static("host.cpu") },
            Metric::Memory => const { Key::from_static("host.memory") },
            Metric::Disk => const { Key::from_static("host.disk") },
            Metric::Process => const { Key::from_static("host.process") },
        })
    }
}

/// What coordination (S2) makes of the latest readings of one metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trend {
    /// The number of the latest reading in it.
    pub(crate) number: u64,
    pub(crate) metric: Metric,
    pub(crate) samples: usize,
    pub(crate) mean: f64,
    pub(crate) highest: f64,
}

impl Event for Trend {
    const NAME: &'static str = "coordination.trend";
}

/// What control (S3) decides: the state of one metric has changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StateChange {
    pub(crate) metric: Metric,
    pub(crate) old_state: State,
    pub(crate) new_state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Normal,
    Strained,
}

impl Event for StateChange {
    const NAME: &'static str = "s3.state_change";
}
