//! The primitives of the engine: std's, or loom's in the tests when its models are checked
//! (`RUSTFLAGS="--cfg algedonic_loom"`; see `local/models`).

#[cfg(all(test, algedonic_loom))]
pub(super) use loom::{
    cell::UnsafeCell,
    sync::{
        Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
    },
};
#[cfg(not(all(test, algedonic_loom)))]
pub(super) use std::sync::{
    Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
    task::Waker,
};
#[cfg(not(all(test, algedonic_loom)))]
pub(super) use tokio::sync::Notify;

/// Takes the lock. A panic of another holder does not end the bus: nothing of a user's runs under
/// the engine's locks, so what they guard is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes somebody. What panics there stays there: others are yet to be woken, and to get theirs.
pub(super) fn wake(waker: Waker) {
    // Loom's panics are for loom.
    if cfg!(all(test, algedonic_loom)) {
        waker.wake();
    } else {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

/// std's cell with loom's interface.
#[cfg(not(all(test, algedonic_loom)))]
#[derive(Debug)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(test, algedonic_loom)))]
impl<T> UnsafeCell<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    #[inline]
    pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    #[inline]
    pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// tokio's `Notify`, whose inside loom does not see: that a call is ordered with the registrations
/// after it is said by an atomic of loom's.
#[cfg(all(test, algedonic_loom))]
#[derive(Debug, Default)]
pub(super) struct Notify {
    calls: AtomicUsize,
    notify: tokio::sync::Notify,
}

#[cfg(all(test, algedonic_loom))]
impl Notify {
    pub(super) fn notified(&self) -> tokio::sync::futures::Notified<'_> {
        self.calls.fetch_add(0, Ordering::AcqRel);
        self.notify.notified()
    }

    pub(super) fn notify_waiters(&self) {
        self.calls.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_waiters();
    }
}
