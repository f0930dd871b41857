use std::collections::{BTreeMap, BTreeSet};

use crate::resilience::{
    Kind,
    probe::{Answer, Does, Failed},
};

/// A fallback as plain as can be: where each call is, and how it ended. What the request does both services do.
#[derive(Clone, Debug)]
pub(super) struct Model {
    kinds: BTreeSet<Kind>,
    pub(super) calls: BTreeMap<u64, Phase>,
    pub(super) ends: BTreeMap<u64, Ended>,
    pub(super) taken: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Primary(Does),
    Backup(Failed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    Both(Failed, Failed),
    BackupAnswered,
    Inner(Failed),
    Panicked,
}

impl Model {
    pub(super) fn new(kinds: BTreeSet<Kind>) -> Self {
        Self {
            kinds,
            calls: BTreeMap::new(),
            ends: BTreeMap::new(),
            taken: 0,
        }
    }

    pub(super) fn call(&mut self, id: u64, does: Does) {
        self.calls.insert(id, Phase::Primary(does));
        match does {
            Does::Answer(answer) => self.primary(id, answer),
            Does::PanicInCall => self.end(id, Ended::Panicked),
            Does::Wait => {}
        }
    }

    pub(super) fn primary(&mut self, id: u64, answer: Answer) {
        match answer {
            Answer::Works => self.end(id, Ended::Answered),
            Answer::Panics => self.end(id, Ended::Panicked),
            Answer::Fails(failed) if !self.kinds.contains(&failed.0.kind()) => {
                self.end(id, Ended::Inner(failed));
            }
            Answer::Fails(failed) => {
                self.taken += 1;
                let before = self.calls.insert(id, Phase::Backup(failed));
                if let Some(Phase::Primary(Does::Answer(answer))) = before {
                    self.backup(id, answer);
                }
            }
        }
    }

    pub(super) fn backup(&mut self, id: u64, answer: Answer) {
        let Some(Phase::Backup(primary)) = self.calls.get(&id).copied() else {
            panic!("it has not failed");
        };
        let ended = match answer {
            Answer::Works => Ended::BackupAnswered,
            Answer::Panics => Ended::Panicked,
            Answer::Fails(backup) => Ended::Both(primary, backup),
        };
        self.end(id, ended);
    }

    fn end(&mut self, id: u64, ended: Ended) {
        self.calls.remove(&id);
        self.ends.insert(id, ended);
    }

    /// Those that are there, by their numbers.
    pub(super) fn running(&self, backup: bool) -> Vec<u64> {
        let there = |phase: &Phase| matches!(phase, Phase::Backup(_)) == backup;
        let calls = self.calls.iter().filter(|(_, phase)| there(phase));
        calls.map(|(id, _)| *id).collect()
    }
}
