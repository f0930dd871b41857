use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    mem,
};

use tokio::time::Instant;

use super::{Due, drive::Publishing};

/// What is to be published, in order. What is removed leaves nothing behind.
#[derive(Default)]
pub(super) struct Queue {
    /// What is not yet due.
    later: BTreeMap<Place, Waiting>,
    /// For each line in which something is being published: what is due behind it.
    lines: HashMap<TypeId, BTreeMap<Place, Waiting>>,
    next: u64,
}

/// When it is due, and its number among those of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(super) due: Instant,
    number: u64,
}

pub(super) struct Waiting {
    line: TypeId,
    what: Box<dyn Due>,
}

/// What is to be done with the next that is due.
pub(super) enum Next {
    /// Its line is free, and now taken.
    Begin(Waiting),
    /// Nothing: it waits for its turn in its line.
    Behind,
}

impl Queue {
    pub(super) fn add(&mut self, due: Instant, line: TypeId, what: Box<dyn Due>) -> Place {
        let place = Place {
            due,
            number: self.next,
        };
        self.next += 1;
        self.later.insert(place, Waiting { line, what });
        place
    }

    /// Removes what waits there, due or not.
    pub(super) fn remove(&mut self, line: TypeId, place: Place) -> Option<Waiting> {
        self.later
            .remove(&place)
            .or_else(|| self.lines.get_mut(&line)?.remove(&place))
    }

    /// Of what is not yet due, the first.
    pub(super) fn first(&self) -> Option<Place> {
        self.later.keys().next().copied()
    }

    /// Nothing waits, and nothing is being published.
    pub(super) fn is_idle(&self) -> bool {
        self.later.is_empty() && self.lines.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.later.len() + self.lines.values().map(BTreeMap::len).sum::<usize>()
    }

    /// The next of those that are due by then.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Next> {
        let first = self.later.first_entry()?;
        if first.key().due > now {
            return None;
        }
        let (place, waiting) = first.remove_entry();
        if let Some(line) = self.lines.get_mut(&waiting.line) {
            line.insert(place, waiting);
            return Some(Next::Behind);
        }
        self.lines.insert(waiting.line, BTreeMap::new());
        Some(Next::Begin(waiting))
    }

    /// What comes next in a line in which something has been published; if nothing, it is free.
    pub(super) fn advance(&mut self, line: TypeId) -> Option<Waiting> {
        let next = self.lines.get_mut(&line).and_then(BTreeMap::pop_first);
        if next.is_none() {
            self.lines.remove(&line);
        }
        next.map(|(_, waiting)| waiting)
    }

    /// Removes everything. The numbers go on, so that no place comes twice.
    pub(super) fn take(&mut self) -> Self {
        let next = self.next;
        mem::replace(
            self,
            Self {
                next,
                ..Self::default()
            },
        )
    }

    /// Removes what is not due by then.
    pub(super) fn take_undue(&mut self, now: Instant) -> BTreeMap<Place, Waiting> {
        let last = Place {
            due: now,
            number: u64::MAX,
        };
        self.later.split_off(&last)
    }

    /// Removes what is due and waits behind others of its line.
    pub(super) fn take_behind(&mut self) -> Vec<BTreeMap<Place, Waiting>> {
        self.lines.values_mut().map(mem::take).collect()
    }
}

impl Waiting {
    pub(super) fn publish(self) -> Publishing {
        Publishing::new(self.line, self.what.publish())
    }
}
