//! The database, and what is known of its content.

/// What is asked of the database.
mod database;
/// How it begins, goes on after a failure, and ends.
mod life;

use std::collections::BTreeSet;

use algedonic_transport::{Error, ErrorKind, Lane};
use redb::Database;

use self::database::Changes;
use super::{
    LossCause, Lost, Notice, Record, SpoolStatus,
    disk::Disk,
    encoding::{Draft, Header},
    error::{Trouble, guarded},
    index::{Bounds, Index},
    state::{self, State},
};

/// What one read gives at most, if that is more than one record.
const READ_BYTES: u64 = 4 * 1024 * 1024;

/// A spool without its thread. After an error it is to be [mended](Self::mend).
pub(super) struct Store {
    /// None after it failed. Dropped before the disk, which has the lock.
    database: Option<Database>,
    disk: Box<dyn Disk>,
    bounds: Bounds,
    /// What was synced and is not removed.
    index: Index,
    /// Removed, but not yet on the disk.
    unflushed: BTreeSet<u64>,
    /// Dropped by a commit that failed: nobody knows whether they are gone.
    doubtful: Vec<Lost>,
    spool: u64,
    next: u64,
    pub(super) books: SpoolStatus,
    pub(super) notices: Vec<Notice>,
}

/// What came of a commit.
pub(super) struct Committed {
    /// Of each draft.
    pub(super) outcomes: Vec<Result<u64, Error>>,
    /// Whether there was anything to write.
    pub(super) written: bool,
}

impl Store {
    pub(super) fn works(&self) -> bool {
        self.database.is_some()
    }

    /// Whether something was removed and lies on the disk yet.
    pub(super) fn is_unflushed(&self) -> bool {
        !self.unflushed.is_empty()
    }

    /// Takes it out; the disk hears of it with the next [commit](Self::commit).
    pub(super) fn remove(&mut self, sequence: u64) {
        if self.index.remove(sequence).is_some() {
            self.unflushed.insert(sequence);
            self.books.removed += 1;
            self.books.lanes = self.index.status(&self.bounds);
        }
    }

    /// Stores all of these, each by itself if it is refused, and drops what is over; when it returns, that is on the
    /// disk. What was removed goes along; alone only if it is asked for.
    pub(super) fn commit(
        &mut self,
        drafts: Vec<Draft>,
        flush: bool,
        now: u64,
    ) -> Result<Committed, Error> {
        let mut changes = Changes {
            drops: self.index.take_over(now, &self.bounds),
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
        let written = any || flush && self.is_unflushed();
        if written {
            let mut lost = Vec::with_capacity(changes.drops.len());
            match self.write(&changes, &mut lost) {
                Ok(()) => {
                    self.unflushed.clear();
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
        let victims = victims.into_iter().map(|victim| (victim, LossCause::Full));
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

    fn write(&self, changes: &Changes, lost: &mut Vec<Lost>) -> Result<(), Trouble> {
        let Some(database) = &self.database else {
            let error = Error::transient(ErrorKind::Unavailable, "write to the spool");
            return Err(Trouble::Failed(error));
        };
        let removes = !changes.drops.is_empty() || !self.unflushed.is_empty();
        let state = removes.then(|| State {
            format: state::FORMAT,
            spool: self.spool,
            next: self.next,
            floors: self.index.floors(self.next),
        });
        let unflushed = &self.unflushed;
        guarded(|| database::write(database, changes, unflushed, state.as_ref(), lost))
    }

    fn count(&mut self, appended: u64, lost: Vec<Lost>) {
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
        for (header, _) in &changes.drops {
            self.index.insert(*header);
        }
        for (sequence, _) in &changes.inserts {
            self.index.remove(*sequence);
        }
    }

    /// The oldest of a lane behind this one. What is over is not among them after a [commit](Self::commit).
    pub(super) fn read(
        &mut self,
        lane: Lane,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let mut bytes = 0;
        let headers = self.index.after(lane, after).take(limit);
        let wanted: Vec<u64> = headers
            .take_while(|header| {
                let fits = bytes == 0 || bytes + u64::from(header.length) <= READ_BYTES;
                bytes += u64::from(header.length);
                fits
            })
            .map(|header| header.sequence)
            .collect();
        let Some(database) = &self.database else {
            return Err(Error::transient(ErrorKind::Unavailable, "read the spool"));
        };
        match guarded(|| database::read(database, &wanted)) {
            Ok(records) => Ok(records),
            Err(trouble) => Err(self.fail(trouble)),
        }
    }

    fn fail(&mut self, trouble: Trouble) -> Error {
        let database = self.database.take();
        let _ = guarded(|| {
            drop(database);
            Ok(())
        });
        trouble.into_error()
    }
}
