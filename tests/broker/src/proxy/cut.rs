//! The one connection that ends after so many bytes.

use super::{End, Way};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The cut that is pending, if one is.
#[derive(Debug, Default)]
pub(super) struct Cut(Mutex<Option<Pending>>);

#[derive(Clone, Copy, Debug)]
struct Pending {
    way: Way,
    left: u64,
    end: End,
}

impl Cut {
    pub(super) fn set(&self, way: Way, left: u64, end: End) {
        assert!(way != Way::Both, "bytes are counted in one direction");
        *self.pending() = Some(Pending { way, left, end });
    }

    pub(super) fn clear(&self) {
        *self.pending() = None;
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending().is_some()
    }

    /// Writes as much of `most` bytes as may pass, and says how many were written, and whether that was the end.
    ///
    /// Nobody else writes this way meanwhile, so that no byte passes uncounted.
    pub(super) fn pass<E>(
        &self,
        way: Way,
        most: usize,
        write: impl FnOnce(usize) -> Result<usize, E>,
    ) -> Result<(usize, Option<End>), E> {
        let mut pending = self.pending();
        let Some(cut) = pending.as_mut().filter(|cut| cut.way == way) else {
            drop(pending);
            return Ok((write(most)?, None));
        };
        let may = usize::try_from(cut.left).map_or(most, |left| left.min(most));
        let written = if may == 0 { 0 } else { write(may)? };
        cut.left -= written as u64;
        let end = (cut.left == 0).then_some(cut.end);
        if end.is_some() {
            *pending = None;
        }
        Ok((written, end))
    }

    fn pending(&self) -> MutexGuard<'_, Option<Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
