use std::collections::{HashSet, VecDeque};

use algedonic_transport::EventId;

/// The ids of the latest messages received; forgets the oldest beyond its capacity.
#[derive(Debug)]
pub(super) struct Seen {
    ids: HashSet<EventId>,
    order: VecDeque<EventId>,
    capacity: usize,
}

impl Seen {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            ids: HashSet::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    pub(super) fn contains(&self, id: EventId) -> bool {
        self.ids.contains(&id)
    }

    pub(super) fn insert(&mut self, id: EventId) {
        if !self.ids.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The model: an id is remembered as long as it is among the latest `capacity` different ones.
        #[test]
        fn it_remembers_exactly_the_latest(capacity in 1_usize..8, ids in prop::collection::vec(0_u128..12, 0..64)) {
            let mut seen = Seen::new(capacity);
            let mut latest: Vec<u128> = Vec::new();
            for id in ids {
                prop_assert_eq!(seen.contains(EventId::from_u128(id)), latest.contains(&id));
                seen.insert(EventId::from_u128(id));
                if !latest.contains(&id) {
                    latest.push(id);
                    if latest.len() > capacity {
                        latest.remove(0);
                    }
                }
                prop_assert!(seen.ids.len() <= capacity && seen.order.len() == seen.ids.len());
            }
        }
    }
}
