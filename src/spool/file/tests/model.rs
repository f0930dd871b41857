use std::collections::BTreeSet;

use algedonic_transport::Lane;

use crate::spool::file::{LossCause, index::Bounds};

/// What a record is to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) number: u64,
    pub(super) lane: Lane,
    pub(super) priority: u8,
    pub(super) length: u64,
    pub(super) stored: u64,
    pub(super) expires: Option<u64>,
}

/// A spool that is a list, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) records: Vec<Kept>,
    /// Numbers that may come back after a crash: it has been said that they are gone, or that they were not stored.
    pub(super) doubtful: BTreeSet<u64>,
}

impl Kept {
    fn may_be_dropped(&self) -> bool {
        self.lane != Lane::Command && self.priority < 10
    }
}

impl Model {
    /// What is over of these lanes.
    pub(super) fn expire(
        &mut self,
        lanes: &[Lane],
        now: u64,
        bounds: &Bounds,
    ) -> Vec<(u64, LossCause)> {
        let mut lost = Vec::new();
        self.records.retain(|record| {
            if !lanes.contains(&record.lane) {
                return true;
            }
            let cause = if record.expires.is_some_and(|expires| expires <= now) {
                LossCause::Expired
            } else if record.may_be_dropped() && record.stored + bounds.max_age <= now {
                LossCause::TooOld
            } else {
                return true;
            };
            lost.push((record.number, cause));
            false
        });
        lost
    }

    /// What is dropped for it, or None if it is refused.
    pub(super) fn append(&mut self, new: Kept, bounds: &Bounds) -> Option<Vec<u64>> {
        let mut after = self.records.clone();
        let mut lost = Vec::new();
        let bytes = |records: &[Kept]| -> u64 {
            let of_lane = records.iter().filter(|record| record.lane == new.lane);
            of_lane.map(|record| record.length).sum()
        };
        while bytes(&after) + new.length > bounds.max_bytes {
            // The first of the lowest.
            let candidates = after.iter().enumerate().filter(|(_, record)| {
                record.lane == new.lane
                    && record.may_be_dropped()
                    && record.priority <= new.priority
            });
            let (place, _) = candidates.min_by_key(|(_, record)| record.priority)?;
            lost.push(after.remove(place).number);
        }
        after.push(new);
        self.records = after;
        Some(lost)
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.records.retain(|record| record.number != number);
        self.doubtful.insert(number);
    }

    pub(super) fn numbers(&self, lane: Lane) -> Vec<u64> {
        let of_lane = self.records.iter().filter(|record| record.lane == lane);
        of_lane.map(|record| record.number).collect()
    }
}
