//! The primitives of the cores: std's, or loom's in the tests when their models are checked
//! (`RUSTFLAGS="--cfg algedonic_loom"`; see `models`).

#[cfg(all(test, algedonic_loom))]
pub(super) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(all(test, algedonic_loom)))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
    task::Waker,
};

/// Takes the lock. Nothing of a user's runs under the locks of a core, so what they guard is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes somebody, with no lock held. What panics there stays there: it may be called while something is dropped.
pub(super) fn wake(waker: Waker) {
    // Loom's panics are for loom.
    if cfg!(all(test, algedonic_loom)) {
        waker.wake();
    } else {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// What others write stays off the cache lines of this.
///
/// 128 bytes: two lines of 64, which are fetched in pairs (Intel 64 and IA-32 Architectures
/// Optimization Reference Manual, the spatial prefetcher), or one of those that have 128.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Apart<T>(pub(super) T);

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}
