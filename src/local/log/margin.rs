use std::{fmt, mem::offset_of, ptr::NonNull, sync::Arc};

use super::MOST;
use crate::local::{
    sync::{AtomicU64, AtomicUsize, Ordering, UnsafeCell, fence},
    tap::{Bells, Number, Outcomes, Sequencer, Stamp},
};
use crate::observe::Ledger;

/// What it takes to make margins, and to enter something there.
pub(crate) struct Margins {
    pub(crate) lane: Number,
    pub(crate) sequencer: Arc<Sequencer>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) bells: Arc<Bells>,
}

impl Margins {
    pub(super) fn make(&self, slots: usize) -> Margin {
        Margin::new(Outcomes::new(&self.ledger, Some(&self.bells)), slots)
    }
}

/// What a segment has beside its entries, where their outcomes elsewhere are told: for each entry its place in the
/// order over lanes, and a [`Cell`].
///
/// Every slot has a cell, and is counted as an owner of the sheet from the beginning: to hand a cell out is to say
/// that somebody else has it now, and changes no count. Those that were never handed out end with the margin.
pub(super) struct Margin {
    sheet: NonNull<Sheet>,
    /// The [`Stamp`]s; 0 where the slot's cell has not been handed out.
    stamps: Box<[AtomicU64]>,
}

struct Sheet {
    /// The margin, the slots of the margin whose cells it has yet, and every [`Cell`].
    owners: AtomicUsize,
    /// Each is its own place, so that a pointer to one says both, which cell and which sheet.
    places: [u8; MOST],
    outcomes: Outcomes,
    /// Nothing: by it the models see that each use comes before the drop.
    life: UnsafeCell<()>,
}

/// An owner of the outcomes of one segment, who has to do with one of them. As small as can be: every receipt holds one.
pub(crate) struct Cell {
    /// One of the `places` of a sheet.
    place: NonNull<u8>,
}

// SAFETY: both hand out `&Outcomes` to several threads, and whichever is the last owner drops them; they are `Sync` and
// `Send`, which is checked below.
unsafe impl Send for Margin {}
// SAFETY: as above.
unsafe impl Sync for Margin {}
// SAFETY: as above.
unsafe impl Send for Cell {}
// SAFETY: as above.
unsafe impl Sync for Cell {}
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Outcomes>();
};

/// Each place, in a byte.
const PLACES: [u8; MOST] = {
    assert!(MOST <= 256, "a place is a byte");
    let mut places = [0; MOST];
    let mut at = 0;
    while at < MOST {
        #[expect(clippy::cast_possible_truncation, reason = "there are at most 256")]
        let place = at as u8;
        places[at] = place;
        at += 1;
    }
    places
};

impl Sheet {
    fn new(outcomes: Outcomes, owners: usize) -> NonNull<Self> {
        let owners = AtomicUsize::new(owners);
        let sheet = Self {
            owners,
            places: PLACES,
            outcomes,
            life: UnsafeCell::new(()),
        };
        NonNull::from(Box::leak(Box::new(sheet)))
    }

    fn outcomes(&self) -> &Outcomes {
        self.life.with(|_| ());
        &self.outcomes
    }

    /// Removes owners; the last one drops the sheet.
    ///
    /// # Safety
    ///
    /// The caller is that many of its owners, and none of those afterwards.
    unsafe fn release(this: NonNull<Self>, owners: usize) {
        // SAFETY: it is there while the caller is an owner.
        let sheet = unsafe { this.as_ref() };
        sheet.life.with(|_| ());
        // Release: what these owners did comes before the drop by another; the fence is that other's side of it.
        if sheet.owners.fetch_sub(owners, Ordering::Release) == owners {
            fence(Ordering::Acquire);
            sheet.life.with_mut(|_| ());
            // SAFETY: it came from a box, and its last owner has gone: nobody looks at it any more.
            drop(unsafe { Box::from_raw(this.as_ptr()) });
        }
    }
}

impl Margin {
    pub(super) fn new(outcomes: Outcomes, slots: usize) -> Self {
        Self {
            sheet: Sheet::new(outcomes, slots + 1),
            stamps: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Hands out the cell of a slot, and notes the stamp of its entry.
    ///
    /// # Safety
    ///
    /// Called at most once for each slot, in their order, and by nobody else at the same time.
    #[inline]
    pub(super) unsafe fn enter(&self, at: usize, stamp: Stamp) -> Cell {
        self.stamps[at].store(stamp.get(), Ordering::Relaxed);
        // SAFETY: the margin is an owner.
        unsafe { Cell::of(self.sheet, at) }
    }

    /// The stamp of an entry that has been written.
    #[inline]
    pub(super) fn stamp(&self, at: usize) -> Stamp {
        let stamp = self.stamps[at].load(Ordering::Relaxed);
        Stamp::again(stamp).expect("noted before the entry was written")
    }

    pub(super) fn outcomes(&self) -> &Outcomes {
        // SAFETY: the margin is an owner.
        unsafe { self.sheet.as_ref() }.outcomes()
    }

    /// Another owner.
    pub(super) fn share(&self, at: usize) -> Cell {
        // SAFETY: the margin is an owner.
        unsafe { Cell::share(self.sheet, at) }
    }
}

impl Drop for Margin {
    fn drop(&mut self) {
        // Slots are entered in order.
        let left = self.stamps.iter().rev();
        let left = left.take_while(|stamp| stamp.load(Ordering::Relaxed) == 0);
        let owners = left.count() + 1;
        // SAFETY: it is an owner by itself and by each slot whose cell was not handed out, and ends here.
        unsafe { Sheet::release(self.sheet, owners) };
    }
}

impl Cell {
    /// A cell by itself.
    pub(crate) fn new(outcomes: Outcomes) -> Self {
        // SAFETY: it is new, and counts this owner.
        unsafe { Self::of(Sheet::new(outcomes, 1), 0) }
    }

    /// It becomes one of the sheet's owners.
    ///
    /// # Safety
    ///
    /// The sheet is there.
    #[inline]
    unsafe fn of(sheet: NonNull<Sheet>, at: usize) -> Self {
        assert!(at < MOST, "a place of the sheet");
        // SAFETY: within the sheet, which is there.
        let place = unsafe { sheet.byte_add(offset_of!(Sheet, places) + at) };
        Self {
            place: place.cast(),
        }
    }

    #[inline]
    fn sheet(&self) -> NonNull<Sheet> {
        // SAFETY: `place` was made from the sheet's pointer, so many bytes before it.
        let sheet = unsafe { self.place.byte_sub(offset_of!(Sheet, places) + self.at()) };
        sheet.cast()
    }

    /// # Safety
    ///
    /// The caller has an owner that remains one for the time of the call.
    unsafe fn share(sheet: NonNull<Sheet>, at: usize) -> Self {
        // SAFETY: it is there while it has an owner. There are never too many to count: each is a value in memory.
        unsafe {
            sheet.as_ref().owners.fetch_add(1, Ordering::Relaxed);
            Self::of(sheet, at)
        }
    }

    /// Another owner, who has to do with the same outcome.
    pub(crate) fn again(&self) -> Self {
        // SAFETY: `self` is an owner.
        unsafe { Self::share(self.sheet(), self.at()) }
    }

    pub(crate) fn outcomes(&self) -> &Outcomes {
        // SAFETY: `self` is an owner for as long as the reference.
        unsafe { self.sheet().as_ref() }.outcomes()
    }

    pub(crate) fn at(&self) -> usize {
        // SAFETY: `self` is an owner of the sheet, in which this is and never changes.
        usize::from(unsafe { self.place.read() })
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // SAFETY: `self` is an owner, and ends here.
        unsafe { Sheet::release(self.sheet(), 1) };
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("at", &self.at())
            .finish_non_exhaustive()
    }
}
