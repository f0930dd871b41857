//! The spool as an application uses it: real files, real disks that are full, real processes that are killed.

/// The process that is killed.
mod child;
/// Files that are cut and written over.
mod damaged;
/// Folders that are gone at the end.
mod folder;
/// A disk without room.
mod full;
/// A process that dies at any moment.
mod killed;
/// Who may have the file.
mod owner;
/// Random numbers that can be had again.
#[path = "../it/seed.rs"]
mod seed;

use std::time::Duration;

use algedonic::{
    EventId, Key, Metadata, Priority,
    spool::{FileSpool, Record, Spool},
    transport::{Lane, Message},
};

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

/// A message that is known by its number, of the highest priority: it is never dropped.
fn message(lane: Lane, number: u64, length: usize) -> Message {
    let mut metadata = Metadata::new(Key::from_static("test.number"), "tests");
    metadata.id = EventId::from_u128(u128::from(number));
    metadata.priority = Priority::MAX;
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
    let read = &record.message;
    let number = u64::try_from(read.metadata.id.as_u128()).expect("small");
    let made = message(read.lane, number, read.body.len());
    assert_eq!(made.body, read.body);
    assert_eq!(read.metadata.priority, Priority::MAX);
    number
}

/// All of a lane, in order.
async fn all(spool: &FileSpool, lane: Lane) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map_or(0, |record| record.sequence);
        let more = spool.read(lane, after, 1_000).await.expect("readable");
        if more.is_empty() {
            assert!(all.is_sorted_by(|one, next| one.sequence < next.sequence));
            return all;
        }
        all.extend(more);
    }
}
