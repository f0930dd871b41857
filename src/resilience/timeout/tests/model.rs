use std::collections::BTreeMap;

use crate::resilience::probe::{Answer, Does};

/// A timeout as plain as can be, in milliseconds: until when each call has time.
#[derive(Clone, Debug)]
pub(super) struct Model {
    limit: u64,
    now: u64,
    /// The limit of each call that has not ended, and when that is over.
    pub(super) calls: BTreeMap<u64, (u64, u64)>,
    pub(super) ends: BTreeMap<u64, Ended>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Answered(Answer),
    /// With the limit that it had.
    Elapsed(u64),
    Panicked,
}

impl Model {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            now: 0,
            calls: BTreeMap::new(),
            ends: BTreeMap::new(),
        }
    }

    /// A call, which may have a limit of its own.
    pub(super) fn call(&mut self, id: u64, does: Does, own: Option<u64>) {
        let limit = own.map_or(self.limit, |own| own.min(self.limit));
        self.calls.insert(id, (limit, self.now + limit));
        match does {
            Does::Answer(answer) => self.answer(id, answer),
            Does::PanicInCall => self.end(id, Ended::Panicked),
            Does::Wait => self.pass(0),
        }
    }

    pub(super) fn answer(&mut self, id: u64, answer: Answer) {
        let ended = match answer {
            Answer::Panics => Ended::Panicked,
            Answer::Fails(_) | Answer::Works => Ended::Answered(answer),
        };
        self.end(id, ended);
    }

    fn end(&mut self, id: u64, ended: Ended) {
        self.calls.remove(&id);
        self.ends.insert(id, ended);
    }

    pub(super) fn pass(&mut self, time: u64) {
        self.now += time;
        for (id, (limit, until)) in self.calls.clone() {
            if until <= self.now {
                self.end(id, Ended::Elapsed(limit));
            }
        }
    }
}
