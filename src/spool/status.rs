use std::time::SystemTime;

use algedonic_transport::{Error, Lane};

/// How a spool is, at one moment; from [`Spool::status`](super::Spool::status).
///
/// Its books balance: `recovered + appended` is `removed + dropped + expired + missing`, and the records that are there.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SpoolStatus {
    /// Records that were there when it was opened.
    pub recovered: u64,
    /// Records that were appended since.
    pub appended: u64,
    /// Records that were removed since, as it was asked.
    pub removed: u64,
    /// Records that have made room for others since.
    pub dropped: u64,
    /// Records that became too old since, or whose message has expired.
    pub expired: u64,
    /// Records that were lost by damage to the file since.
    pub missing: u64,
    /// Messages that it refused since, because it was full.
    pub refused: u64,
    /// Why it does not work, if it does not.
    pub error: Option<Error>,
    pub(super) lanes: [LaneStatus; 3],
}

/// What a spool holds of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStatus {
    /// How many records.
    pub records: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// How many bytes they may take ([`max_bytes`](super::SpoolConfig::max_bytes)); 0 where there is no bound.
    pub bound: u64,
    /// When the oldest was stored.
    pub oldest: Option<SystemTime>,
}

impl SpoolStatus {
    /// What it holds of this lane.
    pub fn lane(&self, lane: Lane) -> LaneStatus {
        self.lanes[place_of(lane)]
    }

    /// Says what it holds of this lane: for a [`Spool`](super::Spool) of your own.
    pub fn set_lane(&mut self, lane: Lane, status: LaneStatus) {
        self.lanes[place_of(lane)] = status;
    }

    /// How many records it holds, of all lanes.
    pub fn records(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.records).sum()
    }
}

/// The place of a lane in an array of all.
pub(super) const fn place_of(lane: Lane) -> usize {
    match lane {
        Lane::Event => 0,
        Lane::Signal => 1,
        Lane::Command => 2,
    }
}
