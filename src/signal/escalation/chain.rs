//! Where is each open pain, and until when? Pure.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use algedonic_transport::EventId;
use tokio::time::Instant;

use crate::{Feeling, Level, Signal};

/// What hurts: one pain for each, however often it is raised.
type Where = (String, String);

/// The pains that nobody has acknowledged yet. `T` is what is known of a pain beside the signal.
#[derive(Debug)]
pub(super) struct Open<T> {
    patience: Vec<Duration>,
    capacity: usize,
    pains: BTreeMap<Where, Pain<T>>,
    /// Of each that is open: every id under which it was raised.
    ids: HashMap<EventId, Where>,
}

/// One open pain.
#[derive(Debug)]
pub(super) struct Pain<T> {
    pub(super) about: T,
    /// As it was raised at last.
    pub(super) signal: Signal,
    /// At which seat it is; 0 is the first.
    pub(super) seat: usize,
    due: Instant,
    since: Instant,
    ids: Vec<EventId>,
}

/// What has to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    /// Raise this again, for the seat of this number.
    Raise(Signal, usize),
    /// It was at the last seat, or made room: nobody has answered.
    Unanswered(Signal),
}

/// More ids of one pain than that are of no use to anybody: the first and the latest are kept.
const IDS: usize = 32;

impl<T: Clone> Open<T> {
    pub(super) fn new(patience: Vec<Duration>, capacity: usize) -> Self {
        Self {
            patience,
            capacity,
            pains: BTreeMap::new(),
            ids: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.pains.len()
    }

    /// A pain was raised. True if it is a new one, which comes to the first seat; and the one that had to make room.
    pub(super) fn pain(
        &mut self,
        id: EventId,
        signal: &Signal,
        about: T,
        now: Instant,
    ) -> (bool, Option<Act>) {
        let place = place(signal);
        if let Some(pain) = self.pains.get_mut(&place) {
            let level = pain.signal.level.max(signal.level);
            pain.signal = Signal {
                level,
                ..signal.clone()
            };
            self.known(id, &place);
            return (false, None);
        }
        let makes_room = (self.pains.len() >= self.capacity).then(|| {
            let severity = |pain: &Pain<T>| (pain.signal.level, pain.since);
            let least = self.pains.iter().min_by_key(|(_, pain)| severity(pain));
            least.map(|(place, _)| place.clone())
        });
        let gone = makes_room.flatten().and_then(|place| self.close(&place));
        let pain = Pain {
            about,
            signal: signal.clone(),
            seat: 0,
            due: now + self.patience[0],
            since: now,
            ids: Vec::new(),
        };
        self.pains.insert(place.clone(), pain);
        self.known(id, &place);
        (true, gone.map(|pain| Act::Unanswered(pain.signal)))
    }

    /// The chain has raised it again under this id. False if it is not open any more.
    pub(super) fn raised(&mut self, id: EventId, signal: &Signal) -> bool {
        let place = place(signal);
        let is_open = self.pains.contains_key(&place);
        self.known(id, &place);
        is_open
    }

    /// What hurt is well. True if it was open.
    pub(super) fn pleasure(&mut self, signal: &Signal) -> bool {
        self.close(&place(signal)).is_some()
    }

    /// Somebody takes the pain that was raised under this id. True if it was open.
    pub(super) fn acknowledge(&mut self, id: EventId) -> bool {
        let place = self.ids.get(&id).cloned();
        place.is_some_and(|place| self.close(&place).is_some())
    }

    /// The next that is to be done now; to be asked until there is none. The most severe first, of those the one that has
    /// waited longest.
    pub(super) fn due(&mut self, now: Instant) -> Option<(T, Act)> {
        let due = self.pains.iter().filter(|(_, pain)| pain.due <= now);
        let next = due.max_by_key(|(_, pain)| (pain.signal.level, std::cmp::Reverse(pain.due)));
        let place = next.map(|(place, _)| place.clone())?;
        let pain = self.pains.get_mut(&place)?;
        let above = pain.seat + 1;
        let Some(patience) = self.patience.get(above) else {
            let pain = self.close(&place)?;
            return Some((pain.about, Act::Unanswered(pain.signal)));
        };
        pain.seat = above;
        // From now: one that was looked at late has its time at each seat all the same.
        pain.due = now + *patience;
        pain.signal.level = higher(pain.signal.level);
        pain.signal.step = u32::try_from(above).unwrap_or(u32::MAX);
        Some((pain.about.clone(), Act::Raise(pain.signal.clone(), above)))
    }

    /// When something is due if nothing happens until then.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pains.values().map(|pain| pain.due).min()
    }

    fn known(&mut self, id: EventId, place: &Where) {
        let Some(pain) = self.pains.get_mut(place) else {
            return;
        };
        if pain.ids.len() >= IDS {
            let forgotten = pain.ids.remove(1);
            self.ids.remove(&forgotten);
        }
        pain.ids.push(id);
        self.ids.insert(id, place.clone());
    }

    fn close(&mut self, place: &Where) -> Option<Pain<T>> {
        let pain = self.pains.remove(place)?;
        for id in &pain.ids {
            self.ids.remove(id);
        }
        Some(pain)
    }
}

fn place(signal: &Signal) -> Where {
    (signal.source.clone(), signal.metric.clone())
}

const fn higher(level: Level) -> Level {
    match level {
        Level::Low => Level::Medium,
        Level::Medium => Level::High,
        Level::High | Level::Critical => Level::Critical,
    }
}

/// Whether a chain from this level on is to take it: what a chain has raised again belongs to that chain.
pub(super) fn takes(signal: &Signal, from: Level) -> bool {
    signal.feeling == Feeling::Pain && signal.step == 0 && signal.level >= from
}
