//! What is in the spool, without its messages: in memory, so that the bounds cost no reading.

use std::collections::{BTreeMap, BTreeSet};

use algedonic_transport::{Lane, Priority};

use super::{
    LaneStatus, LossCause,
    disk::Mark,
    encoding::{Header, moment},
    place_of,
};

/// The bounds that the index keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Of each lane.
    pub(super) max_bytes: u64,
    /// In milliseconds.
    pub(super) max_age: u64,
}

/// All records, by lane.
#[derive(Debug, Default)]
pub(super) struct Index {
    lanes: [LaneIndex; 3],
    /// Those that expire: when, and which.
    expiries: BTreeSet<(u64, u64)>,
    /// Where each is.
    places: BTreeMap<u64, Lane>,
}

#[derive(Debug, Default)]
struct LaneIndex {
    entries: BTreeMap<u64, Header>,
    /// Those that may be dropped, by priority.
    droppable: [BTreeSet<u64>; Priority::MAX.get() as usize],
    bytes: u64,
}

/// Whether nothing but a confirm, a person, or its own expiry ends a record.
pub(super) fn is_kept(lane: Lane, priority: Priority) -> bool {
    lane == Lane::Command || priority == Priority::MAX
}

impl Index {
    pub(super) fn insert(&mut self, header: Header) {
        let (lane, sequence) = (header.lane, header.sequence);
        if let Some(expires) = header.expires {
            self.expiries.insert((expires, sequence));
        }
        self.places.insert(sequence, lane);
        let of_lane = &mut self.lanes[place_of(lane)];
        of_lane.bytes += u64::from(header.length);
        if !is_kept(lane, header.priority) {
            of_lane.droppable[usize::from(header.priority.get())].insert(sequence);
        }
        of_lane.entries.insert(sequence, header);
    }

    pub(super) fn remove(&mut self, sequence: u64) -> Option<Header> {
        let lane = self.places.remove(&sequence)?;
        let of_lane = &mut self.lanes[place_of(lane)];
        let header = of_lane.entries.remove(&sequence)?;
        of_lane.bytes -= u64::from(header.length);
        if !is_kept(lane, header.priority) {
            of_lane.droppable[usize::from(header.priority.get())].remove(&sequence);
        }
        if let Some(expires) = header.expires {
            self.expiries.remove(&(expires, sequence));
        }
        Some(header)
    }

    /// Takes out what has to go before so many bytes of this priority fit in: the oldest of the lowest priority first,
    /// none of a higher one. None, and nothing goes, if that would not do.
    pub(super) fn make_room(
        &mut self,
        lane: Lane,
        priority: Priority,
        length: u64,
        bounds: &Bounds,
    ) -> Option<Vec<Header>> {
        let of_lane = &self.lanes[place_of(lane)];
        let after = of_lane.bytes + length;
        let mut excess = after.saturating_sub(bounds.max_bytes);
        let mut victims = Vec::new();
        let at_most = usize::from(priority.get()) + 1;
        for sequence in of_lane.droppable.iter().take(at_most).flatten() {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(u64::from(of_lane.entries[sequence].length));
            victims.push(*sequence);
        }
        let victims = victims.into_iter();
        (excess == 0).then(|| victims.filter_map(|victim| self.remove(victim)).collect())
    }

    /// Takes out what is over of these lanes at this time, and says why.
    pub(super) fn take_over(
        &mut self,
        lanes: &[Lane],
        now: u64,
        bounds: &Bounds,
    ) -> Vec<(Header, LossCause)> {
        let expired = self.expiries.range(..=(now, u64::MAX));
        let expired = expired.filter(|(_, sequence)| lanes.contains(&self.places[sequence]));
        let expired: Vec<u64> = expired.map(|(_, sequence)| *sequence).collect();
        let mut over = Vec::new();
        let mut take = |index: &mut Self, sequence, cause| {
            over.extend(index.remove(sequence).map(|header| (header, cause)));
        };
        for sequence in expired {
            take(self, sequence, LossCause::Expired);
        }
        for lane in lanes {
            while let Some(oldest) = self.lanes[place_of(*lane)].too_old(now, bounds) {
                take(self, oldest, LossCause::TooOld);
            }
        }
        over
    }

    /// The oldest of a lane behind this one.
    pub(super) fn after(&self, lane: Lane, sequence: u64) -> impl Iterator<Item = &Header> {
        let first = sequence.saturating_add(1);
        self.lanes[place_of(lane)]
            .entries
            .range(first..)
            .map(|(_, header)| header)
    }

    /// What all of it comes to.
    pub(super) fn mark(&self) -> Mark {
        let mut crc = crc32fast::Hasher::new();
        for sequence in self.places.keys() {
            crc.update(&sequence.to_le_bytes());
        }
        let mut mark = [0; size_of::<Mark>()];
        mark[..8].copy_from_slice(&self.len().to_le_bytes());
        mark[8..].copy_from_slice(&crc.finalize().to_le_bytes());
        mark
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = u64> {
        self.places.keys().copied()
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        self.places.contains_key(&sequence)
    }

    pub(super) fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// By lane, the oldest that is there, or the next that will be.
    pub(super) fn floors(&self, next: u64) -> [u64; 3] {
        let floor = |lane: &LaneIndex| {
            lane.entries
                .first_key_value()
                .map_or(next, |(first, _)| *first)
        };
        self.lanes.each_ref().map(floor)
    }

    pub(super) fn status(&self, bounds: &Bounds) -> [LaneStatus; 3] {
        self.lanes.each_ref().map(|lane| LaneStatus {
            records: lane.entries.len() as u64,
            bytes: lane.bytes,
            bound: bounds.max_bytes,
            oldest: lane
                .entries
                .values()
                .next()
                .map(|first| moment(first.stored)),
        })
    }
}

impl LaneIndex {
    fn too_old(&self, now: u64, bounds: &Bounds) -> Option<u64> {
        let mut oldest = self.droppable.iter().filter_map(BTreeSet::first);
        let too_old = |header: &Header| header.stored.saturating_add(bounds.max_age) <= now;
        oldest
            .find(|oldest| too_old(&self.entries[oldest]))
            .copied()
    }
}
