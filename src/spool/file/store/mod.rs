//! The database, and what is known of its content.

/// What is stored together, or not at all.
mod commit;
/// What is asked of the database.
mod database;
/// How it begins, goes on after a failure, and ends.
mod life;
/// What is stored where the disk has no room.
mod reserve;

use std::collections::BTreeSet;

use algedonic_transport::{Error, ErrorKind, Lane};
use redb::Database;

pub(super) use self::commit::Committed;
use super::{
    Lost, Notice, Record, SpoolStatus,
    disk::Disk,
    error::{Trouble, guarded},
    index::{Bounds, Index},
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
    /// What the file says of that.
    noted: u64,
    /// There is room that can be given up for signals.
    has_reserve: bool,
    pub(super) books: SpoolStatus,
    pub(super) notices: Vec<Notice>,
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
