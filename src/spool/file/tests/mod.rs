//! The store against a plain model, on a disk that is made of memory and fails as it is told to.

/// What a spool keeps, drops and refuses.
mod bounds;
/// Files that were changed from outside.
mod damage;
/// Random numbers that can be had again.
mod dice;
/// A disk in memory.
mod disk;
/// The file's place in the folder, and the lock beside it.
mod folder;
/// Signals, while events flood the spool or find no room.
mod lanes;
/// What has to come out, from a list that is gone through.
mod model;
/// Any sequence of steps, crashes among them.
mod properties;
/// Messages as bytes.
mod records;
/// What a commit that failed leaves in the file.
mod remains;
/// The thread, and who waits for it.
mod thread;

use std::time::{Duration, UNIX_EPOCH};

use algedonic_transport::{EventId, Key, Lane, Message, Metadata, Priority};

use super::{Record, SpoolStatus, index::Bounds, store::Store};

const BOUNDS: Bounds = Bounds {
    max_bytes: 4_000,
    max_age: 10_000,
};

/// Far apart, so that nothing is over by chance.
const NO_BOUNDS: Bounds = Bounds {
    max_bytes: 1 << 40,
    max_age: 1 << 40,
};

/// A message that is known by its number, with a body of this length.
fn message(lane: Lane, priority: u8, number: u64, length: usize) -> Message {
    let id = EventId::from_u128(u128::from(number) | 7 << 76 | 2 << 62);
    let time = UNIX_EPOCH + Duration::from_secs(number);
    let mut metadata = Metadata::of(id, time, Key::from_static("test.number"), "tests");
    metadata.priority = Priority::new(priority);
    let body: Vec<u8> = number
        .to_le_bytes()
        .into_iter()
        .cycle()
        .take(length)
        .collect();
    Message::new(metadata, lane, "application/octet-stream", body)
}

/// The number, if all of the message is as it was made.
fn number_of(record: &Record) -> u64 {
    let message_ = &record.message;
    let id = message_.metadata.id.as_u128();
    let number = u64::try_from(id & ((1 << 62) - 1)).expect("small");
    let priority = message_.metadata.priority.get();
    let made = message(message_.lane, priority, number, message_.body.len());
    assert_eq!(made.body, message_.body);
    let mut metadata = message_.metadata.clone();
    metadata.expires = None;
    assert_eq!(made.metadata, metadata);
    number
}

/// All that is in the store, by lane.
fn all(store: &mut Store) -> Vec<(Lane, Vec<Record>)> {
    let read = |lane| {
        let mut records: Vec<Record> = Vec::new();
        loop {
            let last = records.last().map_or(0, |record| record.sequence);
            let more = store.read(lane, last, 7).expect("readable");
            if more.is_empty() {
                return (lane, records);
            }
            records.extend(more);
        }
    };
    Lane::ALL.map(read).into()
}

/// The numbers of a lane, in order.
fn numbers(store: &mut Store, lane: Lane) -> Vec<u64> {
    let all = all(store);
    let of_lane = all
        .iter()
        .find(|(other, _)| *other == lane)
        .expect("a lane");
    assert!(of_lane.1.is_sorted_by_key(|record| record.sequence));
    of_lane.1.iter().map(number_of).collect()
}

fn balances(books: &SpoolStatus) {
    let came = books.recovered + books.appended;
    let went = books.removed + books.dropped + books.expired + books.missing;
    assert_eq!(came, went + books.records(), "{books:?}");
}
