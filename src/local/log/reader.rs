use super::{
    Cell, Cursor, Line, index,
    slab::{Shared, Slab},
};
use crate::local::{
    sync::{Arc, Ordering},
    tap::{Outcomes, Stamp},
};

/// One reader of a log, at its own place.
pub(crate) struct Reader<H, T> {
    tail: Arc<Line>,
    cursor: Arc<Cursor>,
    /// The next entry; the cursor says the same to others.
    at: u64,
    /// A tail seen before: entries below are written.
    known: u64,
    /// Entries from `at` on and below this are written, and in the segment.
    ready: u64,
    /// Where the next entry is; none at the end of a segment, until it seeks.
    segment: Option<Arc<Slab<H, T>>>,
    /// The numbers of the segment: from `base` on, below `end`.
    base: u64,
    end: u64,
}

impl<H, T> Reader<H, T> {
    pub(super) fn new(tail: Arc<Line>, cursor: Arc<Cursor>, at: u64) -> Self {
        Self {
            tail,
            cursor,
            at,
            known: at,
            ready: at,
            segment: None,
            base: at,
            end: at,
        }
    }

    pub(super) fn has(&self, cursor: &Arc<Cursor>) -> bool {
        Arc::ptr_eq(&self.cursor, cursor)
    }

    /// Another look at where the reader is.
    pub(crate) fn mark(&self) -> Mark {
        Mark(Arc::clone(&self.cursor))
    }

    pub(super) fn follows(&self, tail: &Arc<Line>) -> bool {
        Arc::ptr_eq(&self.tail, tail)
    }

    /// It reads no more, ever: the log does not keep anything for it. Gives the segment that it held.
    pub(super) fn retire(&mut self) -> Option<Arc<Slab<H, T>>> {
        (self.at, self.known, self.ready, self.end) = (u64::MAX, 0, 0, 0);
        self.segment.take()
    }

    /// Goes to an entry, in a segment of `len` entries whose first has the number `base`. Gives the segment
    /// that it held before.
    pub(super) fn enter(
        &mut self,
        at: u64,
        segment: Arc<Slab<H, T>>,
        base: u64,
        len: u64,
    ) -> Option<Arc<Slab<H, T>>> {
        let left = self.segment.replace(segment);
        self.base = base;
        self.end = base + len;
        self.at = at;
        self.ready = self.known.min(self.end).max(at);
        self.cursor.at.store(at, Ordering::Release);
        left
    }

    /// Goes past everything below this number, which is the log's next. Gives the segment that it held.
    pub(super) fn skip_to(&mut self, next: u64) -> Option<Arc<Slab<H, T>>> {
        let left = self.segment.take();
        (self.at, self.known, self.ready, self.end) = (next, next, next, next);
        self.cursor.at.store(next, Ordering::Release);
        left
    }

    /// The number of its next entry.
    #[inline]
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How many entries it has not read.
    pub(crate) fn lag(&self) -> u64 {
        let tail = self.tail.0.load(Ordering::Acquire);
        tail.saturating_sub(self.at)
    }

    /// Whether its next entry has been appended.
    #[inline]
    pub(crate) fn is_ready(&mut self) -> bool {
        self.at < self.known || self.look()
    }

    /// Looks how far the log has come.
    fn look(&mut self) -> bool {
        self.known = self.tail.0.load(Ordering::Acquire);
        if self.segment.is_some() {
            self.ready = self.known.min(self.end);
        }
        self.at < self.known
    }

    /// Looks how far the log has come: the number of the entry that comes next.
    pub(crate) fn look_at_tail(&mut self) -> u64 {
        self.look();
        self.known
    }

    /// Whether it must [seek](super::Log::seek) before it reads.
    #[inline]
    pub(crate) fn is_lost(&self) -> bool {
        self.segment.is_none()
    }

    /// The number at which the entries end that it can read in a row.
    #[inline]
    pub(crate) fn ready(&self) -> u64 {
        self.ready
    }

    /// How many entries it can read in a row, from the next one.
    #[inline]
    pub(crate) fn run(&self) -> u64 {
        self.ready.saturating_sub(self.at)
    }

    /// An entry of the run.
    ///
    /// # Panics
    ///
    /// Beyond the [run](Self::run).
    #[inline]
    pub(crate) fn get_at(&self, at: u64) -> &T {
        let segment = self.own(at);
        // SAFETY: `own` has checked that the entry is written (invariant 1). The cursor is not beyond it,
        // and only `&mut self` moves that, so the log remains an owner while the reference lives, or the
        // segment, which `self` holds, was dropped as a whole (invariant 2).
        unsafe { segment.get(index(at - self.base)) }
    }

    /// An owner of an entry of the run.
    ///
    /// # Panics
    ///
    /// As [`get_at`](Self::get_at).
    #[inline]
    pub(crate) fn share_at(&self, at: u64) -> Shared<H, T> {
        let segment = self.own(at);
        // SAFETY: as in `get_at`. The log releases it after it has seen the cursor beyond it (Acquire), which
        // is stored after this call (Release).
        unsafe { Slab::share(segment, index(at - self.base)) }
    }

    #[inline]
    fn own(&self, at: u64) -> &Arc<Slab<H, T>> {
        assert!(self.at <= at && at < self.ready, "an entry of the run");
        self.segment.as_ref().expect("not lost")
    }

    /// The margin's stamp of an entry of the run, if it has one.
    ///
    /// # Panics
    ///
    /// As [`get_at`](Self::get_at).
    #[inline]
    pub(crate) fn stamp_at(&self, at: u64) -> Option<Stamp> {
        let margin = self.own(at).margin()?;
        Some(margin.stamp(index(at - self.base)))
    }

    /// The outcomes of the segment of an entry of the run, if they are told elsewhere, and which is that entry's.
    ///
    /// # Panics
    ///
    /// As [`get_at`](Self::get_at).
    #[inline]
    pub(crate) fn outcome_at(&self, at: u64) -> Option<(&Outcomes, usize)> {
        let margin = self.own(at).margin()?;
        Some((margin.outcomes(), index(at - self.base)))
    }

    /// Another owner of the cell of an entry of the run, if it has one.
    ///
    /// # Panics
    ///
    /// As [`get_at`](Self::get_at).
    pub(crate) fn cell_at(&self, at: u64) -> Option<Cell> {
        let margin = self.own(at).margin()?;
        Some(margin.share(index(at - self.base)))
    }

    /// Goes past the next `entries`.
    ///
    /// # Panics
    ///
    /// Beyond the [run](Self::run): what is not written yet cannot be passed (invariant 2).
    #[inline]
    pub(crate) fn advance(&mut self, entries: u64) {
        assert!(entries <= self.run(), "entries of the run");
        self.at += entries;
        if self.at >= self.end {
            // Before the cursor moves on: the log may then drop the segment, and its events, at once.
            self.segment = None;
        }
        self.cursor.at.store(self.at, Ordering::Release);
    }
}

/// Where a reader is, for others.
pub(crate) struct Mark(Arc<Cursor>);

impl Mark {
    /// The number of its next entry.
    pub(crate) fn at(&self) -> u64 {
        self.0.at.load(Ordering::Acquire)
    }
}
