use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// A set of the latest that were put in; it forgets the oldest beyond its capacity.
#[derive(Debug)]
pub(super) struct Latest<T> {
    all: HashSet<T>,
    order: VecDeque<T>,
    capacity: usize,
}

impl<T: Copy + Eq + Hash> Latest<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            all: HashSet::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    pub(super) fn contains(&self, one: T) -> bool {
        self.all.contains(&one)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.all.len(), self.order.len());
        self.order.len()
    }

    pub(super) fn insert(&mut self, one: T) {
        if !self.all.insert(one) {
            return;
        }
        self.order.push_back(one);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The model: one is remembered as long as it is among the latest `capacity` different ones.
        #[test]
        fn it_remembers_exactly_the_latest(capacity in 1_usize..8, ids in prop::collection::vec(0_u128..12, 0..64)) {
            let mut set = Latest::new(capacity);
            let mut latest: Vec<u128> = Vec::new();
            for id in ids {
                prop_assert_eq!(set.contains(id), latest.contains(&id));
                set.insert(id);
                if !latest.contains(&id) {
                    latest.push(id);
                    if latest.len() > capacity {
                        latest.remove(0);
                    }
                }
                prop_assert!(set.len() <= capacity);
            }
        }
    }
}
