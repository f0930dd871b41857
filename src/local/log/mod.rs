//! One append-only log that many readers follow, each at its own pace, with no copy of an entry.
//!
//! The log itself is plain data: whoever appends, subscribes or lets go holds the lane's lock
//! (`&mut Log`). A [`Reader`] reads without a lock. All of the crate's `unsafe` is in this folder; but for the
//! one instruction by which the [`Clock`] is read, it rests on these invariants:
//!
//! 1. **Written before read.** Only [`Log::push`] writes a slot of a segment, the one numbered `next`, once;
//!    then it stores the number behind it into the tail (Release). A reader reads only numbers below a tail
//!    that it has loaded (Acquire).
//! 2. **Alive while read.** The log owns every entry until it lets go of it; it lets go explicitly only of
//!    numbers below the cursor of *every* reader, and a reader's cursor (stored with Release, loaded
//!    with Acquire before that) never exceeds what it still borrows, never what is appended, and never goes back.
//!    Without readers it may let go of all below `next`, where the next reader begins. A segment that is
//!    dropped as a whole because the lossy readers on it are too far behind stays alive by their references to
//!    it; of its entries only those are let go of that every reader has passed.
//! 3. **Dropped once.** Each slot counts its owners: the log, and every [`Shared`]. The last one drops the
//!    value; what the log has not let go of is dropped with the segment. A new owner comes by an owner that is
//!    one throughout: a [`Shared`], or the log, by whose ownership its readers share what they have not passed.
//! 4. **A cell for each slot.** Where entries have outcomes that are told elsewhere, each segment has a [`Margin`], whose
//!    sheet counts its owners: the margin, and one for each slot. Only [`Log::push`] hands out a slot's [`Cell`], when it
//!    writes the slot, which it does once; the margin ends as the owner of those that were not handed out.
//!
//! None of it relies on who calls: what a caller could get wrong (a reader of another log, one that goes beyond
//! its run, or back, an entry beyond a full segment, an owner of what was let go of) panics.
//!
//! Nothing of a user's runs inside: what is let go of, also what a reader gives up under the lock, is handed
//! out as [`Garbage`], to be dropped after the lock. Where the drop of an event panics, those behind it
//! in its segment are dropped later, with the segment.
#![allow(unsafe_code, reason = "the delivery engine; see the invariants above")]

mod clock;
mod margin;
mod reader;
mod slab;
#[cfg(all(test, not(algedonic_loom)))]
mod tests;

use std::{collections::VecDeque, ops::Range};

pub(crate) use self::{
    clock::{Clock, Ticks},
    margin::{Cell, Margins},
    reader::{Mark, Reader},
    slab::Shared,
};
use self::{margin::Margin, slab::Slab};
use super::{
    sync::{Arc, AtomicU64, Ordering},
    tap::{Outcomes, Stamp},
};

/// The entries, from the oldest that somebody may yet read.
///
/// In this order: what each append needs lies side by side.
#[repr(C)]
pub(super) struct Log<H, T> {
    /// The number of the next entry.
    next: u64,
    /// The number at which the tip is full; `next` where there is no tip.
    end: u64,
    /// The last segment, which takes what is appended.
    tip: Option<Arc<Slab<H, T>>>,
    /// `next`, for readers to see without the lock.
    tail: Arc<Line>,
    /// Where outcomes of the entries are told elsewhere.
    margins: Option<Margins>,
    cursors: Vec<Arc<Cursor>>,
    /// Consecutive.
    segments: VecDeque<Arc<Slab<H, T>>>,
    /// The number of the first segment's first slot.
    first: u64,
    /// The log has let go of the numbers below. At least `first`.
    released: u64,
    header: H,
}

/// A number on a cache line of its own.
#[repr(align(64))]
struct Line(AtomicU64);

/// Where one reader is.
#[repr(align(64))]
struct Cursor {
    /// The next entry it reads. Stored by the reader alone.
    at: AtomicU64,
    /// The log keeps this many of the latest entries for it, and no older ones.
    keep: u64,
    /// It may have this many unread entries; the log is full where one has.
    room: u64,
}

/// The most entries that a segment holds.
pub(crate) const MOST: usize = segment_len::<u8>();

/// How many entries a segment holds: enough to make its cost vanish, few enough to stay in cache.
const fn segment_len<T>() -> usize {
    // The models are to come upon the end of a segment often.
    if cfg!(all(test, algedonic_loom)) {
        return 2;
    }
    match size_of::<T>() {
        0..=256 => 64,
        257..=1024 => 16,
        1025..=8192 => 4,
        _ => 1,
    }
}

impl<H: Clone, T> Log<H, T> {
    const SEGMENT: u64 = segment_len::<T>() as u64;

    pub(super) fn new(header: H) -> Self {
        Self {
            next: 0,
            end: 0,
            tip: None,
            tail: Arc::new(Line(AtomicU64::new(0))),
            margins: None,
            cursors: Vec::new(),
            segments: VecDeque::new(),
            first: 0,
            released: 0,
            header,
        }
    }

    /// From now on each entry has a margin.
    ///
    /// # Panics
    ///
    /// When entries have been appended: those have none.
    pub(super) fn give_margins(&mut self, margins: Margins) {
        assert!(self.segments.is_empty(), "nothing is appended yet");
        self.margins = Some(margins);
    }

    /// The number that the next entry gets.
    #[inline]
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn readers(&self) -> usize {
        self.cursors.len()
    }

    /// A reader of what is appended from now on. The log keeps for it the latest `keep` entries
    /// (`u64::MAX`: all that it has not read), and is full while it has `room` of them unread.
    pub(super) fn subscribe(&mut self, keep: u64, room: u64) -> Reader<H, T> {
        let cursor = Arc::new(Cursor {
            at: AtomicU64::new(self.next),
            keep,
            room,
        });
        self.cursors.push(Arc::clone(&cursor));
        Reader::new(Arc::clone(&self.tail), cursor, self.next)
    }

    /// Forgets a reader, which reads no more.
    ///
    /// # Panics
    ///
    /// When the reader is another log's, which would still keep for it what it reads no more.
    pub(super) fn unsubscribe(&mut self, reader: &mut Reader<H, T>) -> Garbage<H, T> {
        assert!(reader.follows(&self.tail), "a reader of this log");
        self.cursors.retain(|cursor| !reader.has(cursor));
        Garbage::of(reader.retire())
    }

    /// The number at which the log is full.
    pub(super) fn limit(&self) -> u64 {
        let limit = |cursor: &Arc<Cursor>| {
            // Just a number: nothing is let go of by it.
            let at = cursor.at.load(Ordering::Relaxed);
            at.saturating_add(cursor.room)
        };
        self.cursors.iter().map(limit).min().unwrap_or(u64::MAX)
    }

    /// The number at which the last segment is full.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Makes room for an entry in the last segment. Where that takes a new one, gives what was let go of, in a box,
    /// since that is rare.
    pub(super) fn extend(&mut self) -> Option<Box<Garbage<H, T>>> {
        let full = self.next == self.end;
        full.then(|| Box::new(self.grow()))
    }

    /// Both: makes room, and adds an entry.
    pub(super) fn append(&mut self, value: T) -> (Option<Box<Garbage<H, T>>>, Option<Cell>) {
        let garbage = self.extend();
        (garbage, self.push(value))
    }

    /// Adds an entry to the last segment. With margins, gives its [`Cell`].
    ///
    /// # Panics
    ///
    /// At its [end](Self::end).
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the entry is then made in its slot, and not moved there"
    )]
    pub(super) fn push(&mut self, value: T) -> Option<Cell> {
        self.write(value, |margins, _, _| margins.sequencer.stamp(margins.lane))
    }

    /// As [`push`](Self::push), for an entry whose outcome nobody tells.
    pub(super) fn push_foreign(&mut self, value: T) {
        let cell = self.write(value, |margins, margin, at| {
            margin.outcomes().set_foreign(at);
            Stamp::none(margins.lane)
        });
        // The margin is an owner, too: nothing is dropped.
        drop(cell);
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn write(
        &mut self,
        value: T,
        stamp: impl FnOnce(&Margins, &Margin, usize) -> Stamp,
    ) -> Option<Cell> {
        assert!(self.next < self.end, "room in the last segment");
        let at = index(Self::SEGMENT - (self.end - self.next));
        let segment = self.tip.as_ref().expect("where there is room");
        // SAFETY: `tip` has the numbers from `end - SEGMENT` to `end`, so this is the slot numbered `next`.
        // `next` grows with each write, so it has not been written; nobody else writes (`&mut self`), and no
        // reader looks at it before the tail says so (invariant 1).
        unsafe { segment.write(at, value) };
        let cell = match (&self.margins, segment.margin()) {
            (Some(margins), Some(margin)) => {
                let stamp = stamp(margins, margin, at);
                // SAFETY: the cell of the slot numbered `next` is handed out once and by nobody else, as that slot
                // is written, for the same reasons.
                Some(unsafe { margin.enter(at, stamp) })
            }
            _ => None,
        };
        self.next += 1;
        self.tail.0.store(self.next, Ordering::Release);
        cell
    }

    /// A new segment, where the last one is full, and an end to those that nobody needs.
    #[cold]
    fn grow(&mut self) -> Garbage<H, T> {
        let mut garbage = Garbage::default();
        let needed = self.needed();
        self.trim(needed, &mut garbage);
        let slots = index(Self::SEGMENT);
        let margin = self.margins.as_ref().map(|margins| margins.make(slots));
        let segment = Slab::new(self.header.clone(), slots, margin);
        self.tip = Some(Arc::clone(&segment));
        self.end = self.next + Self::SEGMENT;
        self.segments.push_back(segment);
        garbage
    }

    /// The oldest number that some reader may yet ask for.
    fn needed(&self) -> u64 {
        let needs = |cursor: &Arc<Cursor>| {
            let kept = self.next.saturating_sub(cursor.keep);
            // By this no entry is let go of, only references to segments; `trim` looks at the entries.
            cursor.at.load(Ordering::Relaxed).max(kept)
        };
        self.cursors.iter().map(needs).min().unwrap_or(self.next)
    }

    /// The oldest number that some reader has not passed.
    fn unread(&self) -> u64 {
        let at = |cursor: &Arc<Cursor>| cursor.at.load(Ordering::Acquire);
        self.cursors.iter().map(at).min().unwrap_or(self.next)
    }

    /// Lets go of what every reader has passed.
    pub(super) fn release_read(&mut self) -> Garbage<H, T> {
        let mut garbage = Garbage::default();
        let passed = self.unread();
        self.trim(passed, &mut garbage);
        let (from, to) = (self.released, passed);
        if from < to {
            // `trim` has left the segment that `passed` is in, and nothing before it.
            let segment = Arc::clone(&self.segments[0]);
            garbage.push(segment, from - self.first..to - self.first);
            self.released = to;
        }
        garbage
    }

    /// Drops the segments that end at or before `needed`.
    fn trim(&mut self, needed: u64, garbage: &mut Garbage<H, T>) {
        let mut passed = None;
        while self.first + Self::SEGMENT <= needed {
            let Some(segment) = self.segments.pop_front() else {
                break;
            };
            // A lossy reader that lags may be on it: only what it has passed is let go of by hand.
            let passed = *passed.get_or_insert_with(|| self.unread());
            let end = (self.first + Self::SEGMENT).min(passed);
            let from = self.released;
            garbage.push(segment, from - self.first..end.max(from) - self.first);
            self.first += Self::SEGMENT;
            self.released = self.released.max(self.first);
        }
        if self.segments.is_empty() {
            // The last one was full, for nobody needs more than is appended: `end` is `next`.
            self.tip = None;
        }
    }

    /// The number of the oldest entry that it has.
    pub(super) fn oldest(&self) -> u64 {
        self.first
    }

    /// An owner of the outcomes of each segment, and how many of them are of entries that were appended.
    pub(super) fn outcomes(&self) -> Vec<(Cell, usize)> {
        let left = index(self.end - self.next);
        let count = self.segments.len();
        let segments = self.segments.iter().enumerate();
        let cells = segments.filter_map(|(at, segment)| {
            let free = if at + 1 == count { left } else { 0 };
            Some((segment.margin()?.share(0), index(Self::SEGMENT) - free))
        });
        cells.collect()
    }

    /// Takes a reader on to an entry that has been appended, and gives it that one's segment.
    ///
    /// # Panics
    ///
    /// When the reader is another log's, would go back, or the log does not have that entry.
    pub(super) fn seek(&self, reader: &mut Reader<H, T>, at: u64) -> Garbage<H, T> {
        assert!(reader.follows(&self.tail), "a reader of this log");
        let has = self.first <= at && at < self.next;
        assert!(has && reader.at() <= at, "an entry ahead");
        let segments = (at - self.first) / Self::SEGMENT;
        let segment = Arc::clone(&self.segments[index(segments)]);
        let base = self.first + segments * Self::SEGMENT;
        // It may have held the last reference to a segment that was dropped as a whole.
        Garbage::of(reader.enter(at, segment, base, Self::SEGMENT))
    }

    /// Takes a reader past all that is appended.
    ///
    /// # Panics
    ///
    /// When the reader is another log's, or reads no more.
    pub(super) fn skip(&self, reader: &mut Reader<H, T>) -> Garbage<H, T> {
        assert!(reader.follows(&self.tail), "a reader of this log");
        assert!(reader.at() <= self.next, "an entry ahead");
        Garbage::of(reader.skip_to(self.next))
    }

    /// Another owner of the newest entry.
    ///
    /// # Panics
    ///
    /// When there is none, or every reader has passed it and the log has let go of it.
    pub(super) fn share_newest(&self) -> Shared<H, T> {
        assert!(self.released < self.next, "the newest entry is the log's");
        let at = (self.next - 1 - self.first) % Self::SEGMENT;
        let segment = self.segments.back().expect("an entry was appended");
        // SAFETY: written, and the log is an owner of it: it has not let go of that number, nor can it
        // meanwhile, since that takes `&mut self`.
        unsafe { Slab::share(segment, index(at)) }
    }
}

/// An offset within what is held in memory.
#[expect(
    clippy::cast_possible_truncation,
    reason = "memory holds no more than usize entries"
)]
const fn index(offset: u64) -> usize {
    offset as usize
}

/// Entries that the log was an owner of, and references to segments. To be dropped without the lock, since
/// that drops events.
#[must_use = "to be dropped after the lock"]
pub(super) struct Garbage<H, T> {
    one: Option<Run<H, T>>,
    more: Vec<Run<H, T>>,
}

struct Run<H, T> {
    segment: Arc<Slab<H, T>>,
    slots: Range<u64>,
}

impl<H, T> Garbage<H, T> {
    /// A reference to a segment.
    fn of(segment: Option<Arc<Slab<H, T>>>) -> Self {
        let mut garbage = Self::default();
        if let Some(segment) = segment {
            garbage.push(segment, 0..0);
        }
        garbage
    }

    /// The outcomes of the segments that were let go of as a whole, and how many those have.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&Outcomes, usize)> {
        let runs = self.one.iter().chain(&self.more);
        let segments = runs.map(|run| &run.segment);
        segments.filter_map(|segment| Some((segment.margin()?.outcomes(), segment.len())))
    }

    /// What was let go of later.
    pub(super) fn add(&mut self, later: Self) {
        self.more.extend(later.one.into_iter().chain(later.more));
    }

    fn push(&mut self, segment: Arc<Slab<H, T>>, slots: Range<u64>) {
        let run = Run { segment, slots };
        if self.one.is_none() {
            self.one = Some(run);
        } else {
            self.more.push(run);
        }
    }
}

impl<H, T> Default for Garbage<H, T> {
    fn default() -> Self {
        Self {
            one: None,
            more: Vec::new(),
        }
    }
}

impl<H, T> Drop for Run<H, T> {
    fn drop(&mut self) {
        if Arc::get_mut(&mut self.segment).is_some() {
            // This was the last reference to it, so no reader is on it and nobody else owns an entry: what the
            // log still owned, in this run or not, goes with the segment, once.
            return;
        }
        for slot in self.slots.clone() {
            // SAFETY: the log was an owner of these slots and has passed that on to this run, once:
            // `released` only grows, and the segment is not dropped while this run holds it. Every reader has
            // passed them, so none shares them by the log's ownership any more (invariants 2 and 3).
            unsafe { self.segment.release(index(slot)) };
        }
    }
}
