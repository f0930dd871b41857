use std::collections::BTreeSet;

use algedonic_transport::{Error, EventId};

use super::{
    Store,
    database::{self, Loaded},
};
use crate::spool::file::{
    Damage, Notice, SpoolStatus,
    disk::{Disk, Mark},
    error::{Trouble, guarded, of_disk},
    index::{Bounds, Index},
    salvage,
    state::{self, State},
};

impl Store {
    /// Opens what is on the disk, or begins anew.
    pub(in crate::spool) fn open(disk: impl Disk, bounds: Bounds) -> Result<Self, Error> {
        let mut store = Self {
            database: None,
            disk: Box::new(disk),
            bounds,
            index: Index::default(),
            unflushed: BTreeSet::new(),
            doubtful: Vec::new(),
            spool: 0,
            next: 1,
            noted: 1,
            has_reserve: false,
            books: SpoolStatus::default(),
            notices: Vec::new(),
        };
        let loaded = store.load(false)?;
        store.adopt(loaded);
        store.books.recovered = store.index.len();
        store.books.lanes = store.index.status(&store.bounds);
        Ok(store)
    }

    /// Opens the file anew after an error.
    pub(in crate::spool) fn mend(&mut self) -> Result<(), Error> {
        let loaded = self.load(true)?;
        let mut gone: BTreeSet<u64> = self.index.sequences().collect();
        self.adopt(loaded);
        // What nobody knows was removed, or its caller was told that it is not stored.
        let there: Vec<u64> = self.index.sequences().collect();
        let strays = there.into_iter().filter(|sequence| !gone.remove(sequence));
        self.unflushed = strays.collect();
        for sequence in &self.unflushed {
            self.index.remove(*sequence);
        }
        let mut doubtful = std::mem::take(&mut self.doubtful);
        // The commit has reached the disk after all.
        doubtful.retain(|lost| gone.remove(&lost.sequence));
        self.count(0, doubtful);
        let missing = gone.len() as u64;
        self.books.missing += missing;
        for notice in &mut self.notices {
            if let Notice::Damaged(damage) = notice {
                damage.missing.get_or_insert(missing);
            }
        }
        Ok(())
    }

    fn adopt(&mut self, loaded: Loaded) {
        self.next = self.next.max(loaded.next);
        self.noted = loaded.noted;
        self.spool = loaded.spool;
        self.index = loaded.index;
        self.database = Some(loaded.database);
    }

    /// What is on the disk; what is damaged is put aside.
    fn load(&mut self, was_open: bool) -> Result<Loaded, Error> {
        let operation = "open the spool";
        // Whatever comes of this, the mark says nothing of the next life.
        let mark = self
            .disk
            .take_mark()
            .map_err(|error| of_disk(operation, error))?;
        let resumed = self
            .disk
            .resume()
            .map_err(|error| of_disk(operation, error))?;
        let there = self
            .disk
            .open()
            .map_err(|error| of_disk(operation, error))?;
        let trouble = match there {
            None if self
                .is_missed(mark, was_open)
                .map_err(|error| of_disk(operation, error))? =>
            {
                Trouble::damaged("the file is gone")
            }
            None => return self.begin(),
            Some(_)
                if self
                    .disk
                    .is_cut()
                    .map_err(|error| of_disk(operation, error))? =>
            {
                Trouble::damaged("the file is shorter than what was synced")
            }
            Some(backend) => match guarded(|| Loaded::from(backend)) {
                Ok(loaded) => match self.complete(loaded, mark, was_open) {
                    Ok(loaded) => {
                        if resumed {
                            self.resumed(&loaded);
                        }
                        return Ok(loaded);
                    }
                    Err(trouble) => trouble,
                },
                Err(trouble) => trouble,
            },
        };
        match trouble {
            Trouble::Failed(error) => Err(error),
            Trouble::Damaged(error) => self.replace(error, was_open),
        }
    }

    /// Whether there was anything in a file that is not there.
    fn is_missed(&mut self, mark: Option<Mark>, was_open: bool) -> std::io::Result<bool> {
        if was_open {
            return Ok(self.index.len() > 0);
        }
        // A process that had no end left no mark: there may have been.
        mark.map_or_else(
            || self.disk.is_cut(),
            |mark| Ok(mark != Index::default().mark()),
        )
    }

    /// Who has put the damaged file aside did not live to tell it.
    fn resumed(&mut self, loaded: &Loaded) {
        let trouble = Trouble::damaged("it was being put aside when the process ended");
        self.notices.push(Notice::Damaged(Damage {
            error: trouble.into_error(),
            aside: None,
            salvaged: loaded.index.len(),
            missing: None,
        }));
    }

    /// A database whose newest pages are damaged goes back to an older state, and says nothing.
    fn complete(
        &mut self,
        mut loaded: Loaded,
        mark: Option<Mark>,
        was_open: bool,
    ) -> Result<Loaded, Trouble> {
        let failed = |error| Trouble::Failed(of_disk("open the spool", error));
        if was_open {
            let doubtful = |sequence| self.doubtful.iter().any(|lost| lost.sequence == sequence);
            let is_there = |sequence| loaded.index.contains(sequence) || doubtful(sequence);
            if !self.index.sequences().all(is_there) {
                return Err(Trouble::damaged("records are gone from the file"));
            }
        } else if let Some(mark) = mark {
            if mark != loaded.index.mark() {
                return Err(Trouble::damaged("it is not as it was when it was closed"));
            }
        } else if let Some(file) = self.disk.open().map_err(failed)? {
            // The process had no end: what lies about and is newer was being written, or is all that is left of what
            // was. Either way it is sent rather than lost.
            let mut found = salvage::scan(&*file.0, Some(loaded.spool)).map_err(failed)?;
            found.records.retain(|sequence, _| *sequence >= loaded.next);
            guarded(|| database::copy(&loaded.database, &file, &found))?;
            for (sequence, (_, header)) in found.records {
                loaded.index.insert(header);
                loaded.next = sequence + 1;
                loaded.noted = loaded.next;
            }
            loaded.next = loaded.next.max(found.next);
        }
        Ok(loaded)
    }

    /// The end of a life: nothing is lost without it, but the next one knows that it has all.
    pub(in crate::spool) fn close(mut self) {
        let noted = self.note_next().is_ok();
        if let Some(database) = self.database.take() {
            let mark = self.index.mark();
            let closed = guarded(|| {
                database
                    .close()
                    .map_err(|error| Trouble::of("close the spool", error))
            });
            if noted && closed.is_ok() && self.unflushed.is_empty() {
                let _ = self.disk.leave_mark(mark);
            }
        }
    }

    fn begin(&mut self) -> Result<Loaded, Error> {
        let operation = "make the spool";
        let fresh = self
            .disk
            .fresh()
            .map_err(|error| of_disk(operation, error))?;
        let state = State {
            format: state::FORMAT,
            spool: new_number(),
            next: self.next,
            floors: [self.next; 3],
        };
        let database = guarded(|| database::make(fresh, &state)).map_err(Trouble::into_error)?;
        let replaced = self.disk.replace(false);
        replaced.map_err(|error| of_disk(operation, error))?;
        Ok(Loaded {
            database,
            index: Index::default(),
            spool: state.spool,
            next: state.next,
            noted: state.next,
        })
    }

    /// Puts what is there aside, with a copy of all in it that is whole in its place.
    fn replace(&mut self, error: Error, was_open: bool) -> Result<Loaded, Error> {
        let failed = |error| of_disk("put the damaged spool aside", error);
        let old = self.disk.open().map_err(failed)?;
        let known = was_open.then_some(self.spool);
        let mut found = match &old {
            Some(old) => salvage::scan(&*old.0, known).map_err(failed)?,
            None => salvage::Found::default(),
        };
        if was_open {
            found
                .records
                .retain(|sequence, _| self.index.contains(*sequence));
        }
        let last = found.records.last_key_value().map_or(0, |(last, _)| *last);
        let next = self.next.max(found.next).max(last + 1);
        let mut index = Index::default();
        for (_, header) in found.records.values() {
            index.insert(*header);
        }
        let state = State {
            format: state::FORMAT,
            spool: known.or(found.spool).unwrap_or_else(new_number),
            next,
            floors: index.floors(next),
        };
        let fresh = self.disk.fresh().map_err(failed)?;
        let database = guarded(|| {
            let database = database::make(fresh, &state)?;
            if let Some(old) = &old {
                database::copy(&database, old, &found)?;
            }
            Ok(database)
        });
        let database = database.map_err(Trouble::into_error)?;
        drop(old);
        let aside = self.disk.replace(true).map_err(failed)?;
        self.notices.push(Notice::Damaged(Damage {
            error,
            aside,
            salvaged: index.len(),
            missing: None,
        }));
        Ok(Loaded {
            database,
            index,
            spool: state.spool,
            next,
            noted: next,
        })
    }
}

/// A number that no other spool has.
fn new_number() -> u64 {
    let random = EventId::new().as_u128().to_le_bytes();
    u64::from_le_bytes(std::array::from_fn(|at| random[at]))
}
