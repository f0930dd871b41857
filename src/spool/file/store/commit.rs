use std::collections::BTreeSet;

use algedonic_transport::{Error, ErrorKind, Lane};

use super::{
    Store,
    database::{self, Changes, Dropped},
};
use crate::spool::file::{
    LossCause, Lost, Notice,
    encoding::{Draft, Header},
    error::{Trouble, guarded},
    state::{self, State},
};

/// What came of a commit.
pub(in crate::spool) struct Committed {
    /// Of each draft.
    pub(in crate::spool) outcomes: Vec<Result<u64, Error>>,
    /// Whether there was anything to write.
    pub(in crate::spool) written: bool,
}

/// What becomes of removals that the disk has not heard of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Removals {
    /// They wait for another commit.
    Stay,
    /// They go along with whatever else there is to write.
    GoAlong,
    /// They are reason enough to write.
    Go,
}

impl Store {
    /// Stores all of these, each by itself if it is refused, and drops what is over; when it returns, that is on the
    /// disk. What was removed goes along; alone only if it is asked for.
    pub(in crate::spool) fn commit(
        &mut self,
        drafts: Vec<Draft>,
        flush: bool,
        now: u64,
    ) -> Result<Committed, Error> {
        let removals = if flush {
            Removals::Go
        } else {
            Removals::GoAlong
        };
        self.commit_with(drafts, &Lane::ALL, removals, now)
    }

    /// The same of drafts of one lane, and of that lane: with so little that it fits where little does.
    pub(in crate::spool) fn commit_alone(
        &mut self,
        lane: Lane,
        drafts: Vec<Draft>,
        now: u64,
    ) -> Result<Committed, Error> {
        self.commit_with(drafts, &[lane], Removals::Stay, now)
    }

    fn commit_with(
        &mut self,
        drafts: Vec<Draft>,
        lanes: &[Lane],
        removals: Removals,
        now: u64,
    ) -> Result<Committed, Error> {
        // Before anything is dropped: what is written here may lie about though it was not committed, and with it the
        // floors.
        let floors = self.index.floors(self.next);
        let over = self.index.take_over(lanes, now, &self.bounds);
        let over = over.into_iter().map(|(header, cause)| Dropped {
            header,
            cause,
            made_room_for: None,
        });
        let mut changes = Changes {
            drops: over.collect(),
            ..Changes::default()
        };
        let mut refused = 0;
        let outcomes = drafts.into_iter().map(|draft| {
            let outcome = self.admit(draft, now, &mut changes);
            refused += u64::from(outcome.is_err());
            outcome
        });
        let outcomes = outcomes.collect();
        let any = !changes.inserts.is_empty() || !changes.drops.is_empty();
        let written = any || removals == Removals::Go && self.is_unflushed();
        if written {
            let mut lost = Vec::with_capacity(changes.drops.len());
            match self.write(&changes, removals, floors, &mut lost) {
                Ok(()) => {
                    if removals != Removals::Stay {
                        self.unflushed.clear();
                    }
                    self.noted = self.next;
                    self.count(changes.inserts.len() as u64, lost);
                }
                Err(trouble) => {
                    self.undo(&changes);
                    self.doubtful = lost;
                    return Err(self.fail(trouble));
                }
            }
        }
        self.books.refused += refused;
        Ok(Committed { outcomes, written })
    }

    fn admit(&mut self, draft: Draft, now: u64, changes: &mut Changes) -> Result<u64, Error> {
        let length = draft.length();
        if length > self.bounds.max_bytes {
            let error = Error::permanent(ErrorKind::TooLarge, "spool a message");
            let max = self.bounds.max_bytes;
            return Err(error.with_detail(format!("{length} bytes, where max_bytes is {max}")));
        }
        let (lane, priority) = (draft.lane, draft.priority);
        let room = self.index.make_room(lane, priority, length, &self.bounds);
        let Some(victims) = room else {
            let error = Error::transient(ErrorKind::Busy, "spool a message")
                .with_detail(format!(
                    "the {lane} in it take all of its max_bytes, and may not be dropped for this one"
                ))
                .with_advice("the broker has to come back, or a person to drain the spool");
            return Err(error);
        };
        let victims = victims.into_iter().map(|header| Dropped {
            header,
            cause: LossCause::Full,
            made_room_for: Some(draft.correlation.clone()),
        });
        changes.drops.extend(victims);
        let sequence = self.next;
        self.next += 1;
        let bytes = draft.seal(self.spool, sequence, now);
        if let Some(header) = Header::read(&bytes) {
            self.index.insert(header);
        }
        changes.inserts.push((sequence, bytes));
        Ok(sequence)
    }

    fn write(
        &self,
        changes: &Changes,
        removals: Removals,
        floors: [u64; 3],
        lost: &mut Vec<Lost>,
    ) -> Result<(), Trouble> {
        let Some(database) = &self.database else {
            let error = Error::transient(ErrorKind::Unavailable, "write to the spool");
            return Err(Trouble::Failed(error));
        };
        let none = BTreeSet::new();
        let unflushed = match removals {
            Removals::Stay => &none,
            Removals::GoAlong | Removals::Go => &self.unflushed,
        };
        let removes = !changes.drops.is_empty() || !unflushed.is_empty();
        let state = removes.then(|| self.state(floors));
        guarded(|| database::write(database, changes, unflushed, state.as_ref(), lost))
    }

    /// Has the file say what the next sequence is. It may know of none that was used by a commit that failed.
    pub(super) fn note_next(&mut self) -> Result<(), Trouble> {
        if let Some(database) = self.database.as_ref().filter(|_| self.noted < self.next) {
            let state = self.state(self.index.floors(self.next));
            let (changes, none) = (Changes::default(), BTreeSet::new());
            guarded(|| database::write(database, &changes, &none, Some(&state), &mut Vec::new()))?;
            self.noted = self.next;
        }
        Ok(())
    }

    const fn state(&self, floors: [u64; 3]) -> State {
        State {
            format: state::FORMAT,
            spool: self.spool,
            next: self.next,
            floors,
        }
    }

    pub(super) fn count(&mut self, appended: u64, lost: Vec<Lost>) {
        self.books.appended += appended;
        for lost in &lost {
            match lost.cause {
                LossCause::Full => self.books.dropped += 1,
                LossCause::TooOld | LossCause::Expired => self.books.expired += 1,
            }
        }
        self.books.lanes = self.index.status(&self.bounds);
        self.notices.extend(lost.into_iter().map(Notice::Lost));
    }

    /// As if the changes had not been tried. But no sequence is used twice: what was written lies about.
    fn undo(&mut self, changes: &Changes) {
        for dropped in &changes.drops {
            self.index.insert(dropped.header);
        }
        for (sequence, _) in &changes.inserts {
            self.index.remove(*sequence);
        }
    }
}
