//! Finds the records in a file that is no database any more.
//!
//! A record is one piece wherever the database puts it, and says of itself whether it is whole. A database leaves old
//! pages behind, with records that have been removed since: the floors of the states that lie there, too, leave most
//! of them out. The others are sent again, under their old id.

use std::{collections::BTreeMap, io};

use redb::StorageBackend;

use super::{
    encoding::{self, HEADER, Header},
    place_of,
    state::{self, State},
};

/// What a file still holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Where each record is, by its sequence.
    pub(super) records: BTreeMap<u64, (u64, Header)>,
    /// The spool's own number.
    pub(super) spool: Option<u64>,
    /// No record had this sequence yet.
    pub(super) next: u64,
}

/// Bytes that are read at a time.
const WINDOW: usize = 1 << 20;
/// What has to be seen at once to know what it is.
const OVERLAP: usize = if HEADER > state::LENGTH {
    HEADER
} else {
    state::LENGTH
};

/// Reads all of it. The number of the spool may be known.
pub(super) fn scan(file: &dyn StorageBackend, known: Option<u64>) -> io::Result<Found> {
    let length = file.len()?;
    let mut records = Vec::new();
    let mut states = Vec::new();
    let mut window = Vec::new();
    let mut at = 0;
    while at < length {
        let size = usize::try_from(length - at).map_or(WINDOW, |rest| rest.min(WINDOW));
        window.resize(size, 0);
        file.read(at, &mut window)?;
        let last = at + size as u64 == length;
        // What begins in the overlap is for the next window.
        let end = if last { size } else { size - OVERLAP };
        let mut next = end;
        let mut place = 0;
        while place < end {
            let rest = &window[place..];
            let here = at + place as u64;
            if rest.starts_with(&state::MAGIC)
                && let Some(state) = State::read(rest)
            {
                states.push(state);
                place += state::LENGTH;
            } else if rest.starts_with(&encoding::MAGIC)
                && let Some(header) = Header::read(rest)
                && is_whole(file, here, length, &header)?
            {
                records.push((here, header));
                // Its body may look like a record: it is none.
                place = place.saturating_add(usize::try_from(header.length).unwrap_or(usize::MAX));
            } else {
                place += 1;
            }
            next = next.max(place);
        }
        at += next as u64;
    }
    Ok(Found::of(known, &records, &states))
}

fn is_whole(file: &dyn StorageBackend, at: u64, end: u64, header: &Header) -> io::Result<bool> {
    if at + u64::from(header.length) > end {
        return Ok(false);
    }
    Ok(read(file, at, header)?.is_some())
}

/// The record at this place, if it is whole.
pub(super) fn read(
    file: &dyn StorageBackend,
    at: u64,
    header: &Header,
) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(header.length).map_err(io::Error::other)?];
    file.read(at, &mut bytes)?;
    Ok(Header::check(&bytes).is_some().then_some(bytes))
}

impl Found {
    fn of(known: Option<u64>, records: &[(u64, Header)], states: &[State]) -> Self {
        let first = states.first().map(|state| state.spool);
        let spool = known.or_else(|| most_frequent(records)).or(first);
        let own = |state: &&State| Some(state.spool) == spool;
        let mut found = Self {
            spool,
            ..Self::default()
        };
        let mut floors = [0; 3];
        for state in states.iter().filter(own) {
            found.next = found.next.max(state.next);
            for (floor, other) in floors.iter_mut().zip(state.floors) {
                *floor = other.max(*floor);
            }
        }
        for (at, header) in records {
            if Some(header.spool) == spool && header.sequence >= floors[place_of(header.lane)] {
                found.records.insert(header.sequence, (*at, *header));
            }
        }
        found
    }
}

/// What a message's body brings along has another number.
fn most_frequent(records: &[(u64, Header)]) -> Option<u64> {
    let mut numbers: BTreeMap<u64, usize> = BTreeMap::new();
    for (_, header) in records {
        *numbers.entry(header.spool).or_default() += 1;
    }
    let most = numbers.into_iter().max_by_key(|(_, times)| *times);
    most.map(|(spool, _)| spool)
}
