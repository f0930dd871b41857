use std::collections::BTreeSet;

use algedonic_transport::{CorrelationId, Error, ErrorKind};
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

use crate::spool::file::{
    LossCause, Lost, Record,
    disk::Backend,
    encoding::Header,
    error::{Trouble, of_disk, unsupported},
    index::Index,
    salvage,
    state::{self, State},
};

/// By sequence. Under 0 lies the state.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const STATE: u64 = 0;

/// What the database keeps in memory at most.
const CACHE: usize = 16 * 1024 * 1024;
/// What is written at once when records go from one file to another.
const COPY_BYTES: usize = 4 * 1024 * 1024;

/// What is in a file.
pub(super) struct Loaded {
    pub(super) database: Database,
    pub(super) index: Index,
    pub(super) spool: u64,
    pub(super) next: u64,
    /// What the file says of that.
    pub(super) noted: u64,
}

/// What a commit does.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) inserts: Vec<(u64, Vec<u8>)>,
    pub(super) drops: Vec<Dropped>,
}

/// A record that is dropped.
pub(super) struct Dropped {
    pub(super) header: Header,
    pub(super) cause: LossCause,
    /// For what it makes room, if it does.
    pub(super) made_room_for: Option<CorrelationId>,
}

impl Loaded {
    /// Reads every record: what is wrong is found now, and not when it is needed.
    pub(super) fn from(backend: Backend) -> Result<Self, Trouble> {
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
            noted: next,
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

pub(super) fn make(fresh: Backend, state: &State) -> Result<Database, Trouble> {
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

pub(super) fn write(
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
        for dropped in &changes.drops {
            let sequence = dropped.header.sequence;
            let removed = records
                .remove(sequence)
                .map_err(|error| failed(error.into()))?;
            let record = removed
                .as_ref()
                .and_then(|bytes| Record::read(bytes.value()));
            let damaged = || Trouble::damaged(format!("record {sequence} is damaged"));
            let mut told = Lost::new(record.ok_or_else(damaged)?, dropped.cause);
            told.made_room_for.clone_from(&dropped.made_room_for);
            lost.push(told);
        }
        if let Some(state) = state {
            let written = records.insert(STATE, state.write().as_slice());
            written.map_err(|error| failed(error.into()))?;
        }
    }
    transaction.commit().map_err(|error| failed(error.into()))
}

pub(super) fn read(database: &Database, wanted: &[u64]) -> Result<Vec<Record>, Trouble> {
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
pub(super) fn copy(
    database: &Database,
    old: &Backend,
    found: &salvage::Found,
) -> Result<(), Trouble> {
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
