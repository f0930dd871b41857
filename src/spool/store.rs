//! The database, and what is known of its content.

use std::collections::BTreeSet;

use algedonic_transport::{Error, ErrorKind, EventId, Lane};
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

use super::{
    Damage, LossCause, Lost, Notice, Record, SpoolStatus,
    disk::{Backend, Disk, Mark},
    error::{Trouble, guarded, of_disk, unsupported},
    index::{Bounds, Index},
    record::{Draft, Header},
    salvage,
    state::{self, State},
};

/// By sequence. Under 0 lies the state.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const STATE: u64 = 0;

/// What the database keeps in memory at most.
const CACHE: usize = 16 * 1024 * 1024;
/// What one read gives at most, if that is more than one record.
const READ_BYTES: u64 = 4 * 1024 * 1024;
/// What is written at once when records go from one file to another.
const COPY_BYTES: usize = 4 * 1024 * 1024;

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

/// What is in a file.
struct Loaded {
    database: Database,
    index: Index,
    spool: u64,
    next: u64,
}

/// What came of a commit.
pub(super) struct Committed {
    /// Of each draft.
    pub(super) outcomes: Vec<Result<u64, Error>>,
    /// Whether there was anything to write.
    pub(super) written: bool,
}

/// What a commit does.
#[derive(Default)]
struct Changes {
    inserts: Vec<(u64, Vec<u8>)>,
    drops: Vec<(Header, LossCause)>,
}

impl Store {
    /// Opens what is on the disk, or begins anew.
    pub(super) fn open(disk: impl Disk, bounds: Bounds) -> Result<Self, Error> {
        let mut store = Self {
            database: None,
            disk: Box::new(disk),
            bounds,
            index: Index::default(),
            unflushed: BTreeSet::new(),
            doubtful: Vec::new(),
            spool: 0,
            next: 1,
            books: SpoolStatus::default(),
            notices: Vec::new(),
        };
        let loaded = store.load(false)?;
        store.adopt(loaded);
        store.books.recovered = store.index.len();
        store.books.lanes = store.index.status();
        Ok(store)
    }

    pub(super) fn works(&self) -> bool {
        self.database.is_some()
    }

    /// Whether something was removed and lies on the disk yet.
    pub(super) fn is_unflushed(&self) -> bool {
        !self.unflushed.is_empty()
    }

    /// Opens the file anew after an error.
    pub(super) fn mend(&mut self) -> Result<(), Error> {
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
        let there = self
            .disk
            .open()
            .map_err(|error| of_disk(operation, error))?;
        let trouble = match there {
            None if self.index.len() > 0
                || mark.is_some_and(|mark| mark != Index::default().mark()) =>
            {
                Trouble::damaged("the file is gone")
            }
            None => return self.begin(),
            Some(backend) => match guarded(|| Loaded::from(backend)) {
                Ok(loaded) => match self.complete(loaded, mark, was_open) {
                    Ok(loaded) => return Ok(loaded),
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
            guarded(|| copy(&loaded.database, &file, &found))?;
            for (sequence, (_, header)) in found.records {
                loaded.index.insert(header);
                loaded.next = sequence + 1;
            }
            loaded.next = loaded.next.max(found.next);
        }
        Ok(loaded)
    }

    /// The end of a life: nothing is lost without it, but the next one knows that it has all.
    pub(super) fn close(mut self) {
        if let Some(database) = self.database.take() {
            let mark = self.index.mark();
            let closed = guarded(|| {
                database
                    .close()
                    .map_err(|error| Trouble::of("close the spool", error))
            });
            if closed.is_ok() && self.unflushed.is_empty() {
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
        let database = guarded(|| make(fresh, &state)).map_err(Trouble::into_error)?;
        let replaced = self.disk.replace(false);
        replaced.map_err(|error| of_disk(operation, error))?;
        Ok(Loaded {
            database,
            index: Index::default(),
            spool: state.spool,
            next: state.next,
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
            let database = make(fresh, &state)?;
            if let Some(old) = &old {
                copy(&database, old, &found)?;
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
        })
    }

    /// Takes it out; the disk hears of it with the next [commit](Self::commit).
    pub(super) fn remove(&mut self, sequence: u64) {
        if self.index.remove(sequence).is_some() {
            self.unflushed.insert(sequence);
            self.books.removed += 1;
            self.books.lanes = self.index.status();
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
        let changed = !changes.inserts.is_empty() || !changes.drops.is_empty();
        let written = changed || flush && self.is_unflushed();
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
        guarded(|| write(database, changes, unflushed, state.as_ref(), lost))
    }

    fn count(&mut self, appended: u64, lost: Vec<Lost>) {
        self.books.appended += appended;
        for lost in &lost {
            match lost.cause {
                LossCause::Full => self.books.dropped += 1,
                LossCause::TooOld | LossCause::Expired => self.books.expired += 1,
            }
        }
        self.books.lanes = self.index.status();
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
        match guarded(|| read(database, &wanted)) {
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

impl Loaded {
    /// Reads every record: what is wrong is found now, and not when it is needed.
    fn from(backend: Backend) -> Result<Self, Trouble> {
        let opening = |error: redb::Error| Trouble::of("open the spool", error);
        // A spool takes its place only when it is one: this was not made, but cut off.
        if backend.len().map_err(|error| opening(error.into()))? == 0 {
            return Err(Trouble::damaged("the file is empty"));
        }
        let database = builder().create_with_backend(backend);
        let database = database.map_err(|error| opening(error.into()))?;
        let reading = |error: redb::Error| Trouble::of("read the spool", error);
        let transaction = database
            .begin_read()
            .map_err(|error| reading(error.into()))?;
        let records = match transaction.open_table(RECORDS) {
            Err(redb::TableError::TableDoesNotExist(_)) => {
                let mut tables = transaction
                    .list_tables()
                    .map_err(|error| reading(error.into()))?;
                return Err(match tables.next() {
                    None => Trouble::damaged("the database is empty"),
                    Some(_) => not_a_spool(),
                });
            }
            records => records.map_err(|error| reading(error.into()))?,
        };
        let all = records
            .range(STATE..)
            .map_err(|error| reading(error.into()))?;
        let mut state: Option<State> = None;
        let mut index = Index::default();
        let mut next = 1;
        for entry in all {
            let (sequence, bytes) = entry.map_err(|error| reading(error.into()))?;
            let (sequence, bytes) = (sequence.value(), bytes.value());
            if sequence == STATE {
                let read = State::read(bytes);
                let read = read.ok_or_else(|| Trouble::damaged("its state is damaged"))?;
                if read.format > state::FORMAT {
                    return Err(Trouble::Failed(unsupported(read.format)));
                }
                next = read.next;
                state = Some(read);
                continue;
            }
            let spool = state.as_ref().map(|state| state.spool);
            let header = Header::check(bytes)
                .filter(|header| header.sequence == sequence && Some(header.spool) == spool)
                .ok_or_else(|| Trouble::damaged(format!("record {sequence} is damaged")))?;
            index.insert(header);
            next = next.max(sequence + 1);
        }
        drop((records, transaction));
        let state = state.ok_or_else(|| Trouble::damaged("its state is gone"))?;
        Ok(Self {
            database,
            index,
            spool: state.spool,
            next,
        })
    }
}

fn not_a_spool() -> Trouble {
    let error = Error::permanent(ErrorKind::Conflict, "open the spool")
        .with_detail("the file is a database of something else")
        .with_advice("give the spool a path of its own");
    Trouble::Failed(error)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // Or what was changed from outside is trusted.
    builder.set_check_integrity_on_open(true);
    builder
}

/// A number that no other spool has.
fn new_number() -> u64 {
    let random = EventId::new().as_u128().to_le_bytes();
    u64::from_le_bytes(std::array::from_fn(|at| random[at]))
}

fn make(fresh: Backend, state: &State) -> Result<Database, Trouble> {
    let failed = |error: redb::Error| Trouble::of("make the spool", error);
    let database = builder()
        .create_with_backend(fresh)
        .map_err(|error| failed(error.into()))?;
    let transaction = database
        .begin_write()
        .map_err(|error| failed(error.into()))?;
    {
        let mut records = transaction
            .open_table(RECORDS)
            .map_err(|error| failed(error.into()))?;
        let written = records.insert(STATE, state.write().as_slice());
        written.map_err(|error| failed(error.into()))?;
    }
    transaction.commit().map_err(|error| failed(error.into()))?;
    Ok(database)
}

fn write(
    database: &Database,
    changes: &Changes,
    unflushed: &BTreeSet<u64>,
    state: Option<&State>,
    lost: &mut Vec<Lost>,
) -> Result<(), Trouble> {
    let failed = |error: redb::Error| Trouble::of("write to the spool", error);
    let transaction = database
        .begin_write()
        .map_err(|error| failed(error.into()))?;
    {
        let mut records = transaction
            .open_table(RECORDS)
            .map_err(|error| failed(error.into()))?;
        for (sequence, bytes) in &changes.inserts {
            let inserted = records.insert(sequence, bytes.as_slice());
            inserted.map_err(|error| failed(error.into()))?;
        }
        for sequence in unflushed {
            records
                .remove(sequence)
                .map_err(|error| failed(error.into()))?;
        }
        for (header, cause) in &changes.drops {
            let sequence = header.sequence;
            let removed = records
                .remove(sequence)
                .map_err(|error| failed(error.into()))?;
            let record = removed
                .as_ref()
                .and_then(|bytes| Record::read(bytes.value()));
            let damaged = || Trouble::damaged(format!("record {sequence} is damaged"));
            lost.push(Lost::new(record.ok_or_else(damaged)?, *cause));
        }
        if let Some(state) = state {
            let written = records.insert(STATE, state.write().as_slice());
            written.map_err(|error| failed(error.into()))?;
        }
    }
    transaction.commit().map_err(|error| failed(error.into()))
}

fn read(database: &Database, wanted: &[u64]) -> Result<Vec<Record>, Trouble> {
    let failed = |error: redb::Error| Trouble::of("read the spool", error);
    let transaction = database
        .begin_read()
        .map_err(|error| failed(error.into()))?;
    let records = transaction
        .open_table(RECORDS)
        .map_err(|error| failed(error.into()))?;
    let read = |sequence: &u64| {
        let bytes = records
            .get(sequence)
            .map_err(|error| failed(error.into()))?;
        let record = bytes.and_then(|bytes| Record::read(bytes.value()));
        record.ok_or_else(|| Trouble::damaged(format!("record {sequence} is damaged")))
    };
    wanted.iter().map(read).collect()
}

/// Copies records as they are, if there are any.
fn copy(database: &Database, old: &Backend, found: &salvage::Found) -> Result<(), Trouble> {
    let unreadable = |error| Trouble::Failed(of_disk("read the damaged spool", error));
    let mut changes = Changes::default();
    let mut bytes = 0;
    if found.records.is_empty() {
        return Ok(());
    }
    for (sequence, (at, header)) in &found.records {
        let record = salvage::read(&*old.0, *at, header).map_err(unreadable)?;
        let gone = || unreadable(std::io::ErrorKind::UnexpectedEof.into());
        let record = record.ok_or_else(gone)?;
        bytes += record.len();
        changes.inserts.push((*sequence, record));
        if bytes >= COPY_BYTES {
            write(database, &changes, &BTreeSet::new(), None, &mut Vec::new())?;
            (changes, bytes) = (Changes::default(), 0);
        }
    }
    write(database, &changes, &BTreeSet::new(), None, &mut Vec::new())
}
