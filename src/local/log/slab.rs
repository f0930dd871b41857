use std::{mem::MaybeUninit, ops::Deref, ptr};

use super::margin::Margin;
use crate::local::sync::{Arc, AtomicUsize, Ordering, UnsafeCell, fence};

/// A fixed number of slots, each written once, each with owners of its own: a value is dropped
/// with its last owner, the memory with the last reference to the slab.
pub(super) struct Slab<H, T> {
    header: H,
    /// Where the outcomes of its entries are told elsewhere.
    margin: Option<Margin>,
    slots: Box<[Slot<T>]>,
}

struct Slot<T> {
    /// 0 before the write, and again after the last owner has left.
    owners: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a slab hands out `&T` to several threads (T: Sync), and whichever thread is the last owner
// drops the value (T: Send). Slots are written and read under the contracts of `write` and `get`.
unsafe impl<H: Send, T: Send + Sync> Send for Slab<H, T> {}
// SAFETY: as above.
unsafe impl<H: Sync, T: Send + Sync> Sync for Slab<H, T> {}

impl<H, T> Slab<H, T> {
    pub(super) fn new(header: H, slots: usize, margin: Option<Margin>) -> Arc<Self> {
        let empty = || Slot {
            owners: AtomicUsize::new(0),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        };
        Arc::new(Self {
            header,
            margin,
            slots: std::iter::repeat_with(empty).take(slots).collect(),
        })
    }

    #[inline]
    pub(super) fn margin(&self) -> Option<&Margin> {
        self.margin.as_ref()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Puts a value into a slot, and makes the caller its owner.
    ///
    /// # Safety
    ///
    /// The slot has not been written before, nobody else ever writes it, and nobody reads it unless this write
    /// happened before.
    #[inline]
    pub(super) unsafe fn write(&self, at: usize, value: T) {
        let slot = &self.slots[at];
        // SAFETY: the caller alone accesses the slot.
        slot.value
            .with_mut(|place| unsafe { (*place).write(value) });
        slot.owners.store(1, Ordering::Relaxed);
    }

    /// The value of a slot.
    ///
    /// # Safety
    ///
    /// The write of the slot happened before, and an owner remains for as long as the reference.
    #[inline]
    pub(super) unsafe fn get(&self, at: usize) -> &T {
        // SAFETY: written, not dropped while there are owners, and never written again.
        self.slots[at]
            .value
            .with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Adds an owner.
    ///
    /// # Safety
    ///
    /// As [`get`](Self::get), for the time of the call: this is a share by the ownership that remains, whose
    /// [`release`](Self::release) it happens before.
    #[inline]
    pub(super) unsafe fn share(this: &Arc<Self>, at: usize) -> Shared<H, T> {
        this.slots[at].owners.fetch_add(1, Ordering::Relaxed);
        Shared {
            // Ends the process where owners become too many to count: no slot has more than the slab.
            slab: Arc::clone(this),
            at,
        }
    }

    /// Removes an owner; the last one drops the value.
    ///
    /// # Safety
    ///
    /// The caller is an owner, and is none afterwards. Every [`share`](Self::share) and every look at the value
    /// by its ownership happened before.
    pub(super) unsafe fn release(&self, at: usize) {
        let slot = &self.slots[at];
        // The only owner needs no read-modify-write. Where this reads 1, only this ownership is counted. One
        // that is counted later would be shared by this one, since only an owner can share; but each such share
        // happened before, so there is none. What former owners did with the value comes before its drop by the
        // fence below.
        let only = slot.owners.load(Ordering::Relaxed) == 1;
        if only {
            slot.owners.store(0, Ordering::Relaxed);
        }
        // Release: what this owner did with the value comes before its drop by another; the fence is that
        // other's side of it.
        if only || slot.owners.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: written once, and the last owner has gone: nobody reads it any more.
            slot.value
                .with_mut(|value| unsafe { ptr::drop_in_place((*value).as_mut_ptr()) });
        }
    }
}

/// With the slab. Each slot by itself, so that a panic in the drop of one value leaves out no other.
impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        // No `Shared` is left, it would hold the slab. What has an owner is the log's.
        if self.owners.load(Ordering::Relaxed) > 0 {
            // SAFETY: written, not dropped yet, and `&mut self` is the only access.
            self.value
                .with_mut(|value| unsafe { ptr::drop_in_place((*value).as_mut_ptr()) });
        }
    }
}

/// An owner of one value of a slab: an `Arc` whose memory is the slab's.
pub(crate) struct Shared<H, T> {
    slab: Arc<Slab<H, T>>,
    at: usize,
}

impl<H, T> Shared<H, T> {
    /// A value by itself.
    pub(crate) fn new(header: H, value: T) -> Self {
        let slab = Slab::new(header, 1, None);
        // SAFETY: the slab is new, and its only slot becomes ours.
        unsafe { slab.write(0, value) };
        Self { slab, at: 0 }
    }

    /// What all values of the slab have in common.
    #[inline]
    pub(crate) fn header(&self) -> &H {
        &self.slab.header
    }
}

impl<H, T> Clone for Shared<H, T> {
    fn clone(&self) -> Self {
        // SAFETY: `self` is an owner, so the slot is written and not dropped; it ends by `&mut`, so not before
        // this call has.
        unsafe { Slab::share(&self.slab, self.at) }
    }
}

impl<H, T> Deref for Shared<H, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `self` is an owner for as long as the reference.
        unsafe { self.slab.get(self.at) }
    }
}

impl<H, T> Drop for Shared<H, T> {
    fn drop(&mut self) {
        // SAFETY: `self` is an owner, and ends here; `&mut self` says that no clone of it is being made.
        unsafe { self.slab.release(self.at) };
    }
}
