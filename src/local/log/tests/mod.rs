//! The log by itself; small, so that miri can run all of it.

mod drops;
mod margins;
mod misuse;
mod model;
mod reading;
mod threads;

use std::sync::Mutex;

use super::{Arc, Log, Reader};

/// How often each value was dropped, by its number.
#[derive(Clone, Default)]
struct Drops(Arc<Mutex<Vec<usize>>>);

/// A value that says when it is dropped. `PAD` makes it large, and a segment short.
struct Value<const PAD: usize = 0> {
    number: u64,
    drops: Drops,
    _pad: [u64; PAD],
}

/// Four to a segment.
type Wide = Value<160>;

impl Drops {
    /// Counts from now on how often this value is dropped.
    fn expect(&self, number: u64) {
        let mut counts = self.0.lock().expect("no panic");
        let len = counts.len().max(super::index(number) + 1);
        counts.resize(len, 0);
    }

    fn value<const PAD: usize>(&self, number: u64) -> Value<PAD> {
        self.expect(number);
        Value {
            number,
            drops: self.clone(),
            _pad: [number; PAD],
        }
    }

    fn of(&self, number: u64) -> usize {
        self.0.lock().expect("no panic")[super::index(number)]
    }

    fn sum(&self) -> usize {
        self.0.lock().expect("no panic").iter().sum()
    }

    fn assert_each_once(&self) {
        let counts = self.0.lock().expect("no panic");
        assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    }
}

impl<const PAD: usize> Drop for Value<PAD> {
    fn drop(&mut self) {
        self.drops.0.lock().expect("no panic")[super::index(self.number)] += 1;
    }
}

impl<const PAD: usize> Log<(), Value<PAD>> {
    fn append_new(&mut self, drops: &Drops) {
        let value = drops.value(self.next());
        drop(self.append(value));
    }
}

/// Reads the next entry, if there is one; skips to what the log keeps where it has to seek.
fn read<H: Clone, T, R>(
    log: &Log<H, T>,
    reader: &mut Reader<H, T>,
    keep: u64,
    look: impl FnOnce(u64, &T) -> R,
) -> Option<R> {
    if !reader.is_ready() {
        return None;
    }
    if reader.is_lost() {
        let at = reader.at().max(log.next().saturating_sub(keep));
        drop(log.seek(reader, at));
        assert!(reader.is_ready());
    }
    let at = reader.at();
    let looked = look(at, reader.get_at(at));
    reader.advance(1);
    Some(looked)
}

/// Reads all that there is, which is what its number says; gives how many entries.
fn read_all<const PAD: usize>(
    log: &Log<(), Value<PAD>>,
    reader: &mut Reader<(), Value<PAD>>,
    keep: u64,
) -> u64 {
    let mut count = 0;
    let check = |at, value: &Value<PAD>| assert_eq!(value.number, at);
    while read(log, reader, keep, check).is_some() {
        count += 1;
    }
    count
}
