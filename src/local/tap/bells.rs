use std::task::{Context, Waker};

use crate::local::sync::{AtomicU8, AtomicU64, Mutex, Ordering, fence, lock, wake};

/// One for each tap. A lane whose tap has read everything rings it when it publishes the next event: under its lock, and
/// before the event is there to be read, so that whoever has seen that one or a later one, of any lane, finds it rung.
/// Once the lock is free it wakes the one that listens.
pub(crate) struct Bells {
    rung: Box<[AtomicU64]>,
    listener: Mutex<Option<Waker>>,
    /// Not 0 while the one that listens looks by itself from time to time, and no lane rings for it.
    lingers: AtomicU8,
}

impl Bells {
    pub(super) fn new(count: usize) -> Self {
        Self {
            rung: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            listener: Mutex::new(None),
            lingers: AtomicU8::new(0),
        }
    }

    pub(crate) fn ring(&self, index: usize) {
        self.rung[index / 64].fetch_or(1 << (index % 64), Ordering::Release);
    }

    /// Wakes who listens. Not under a lane's lock.
    pub(crate) fn wake(&self) {
        let listener = lock(&self.listener).take();
        listener.into_iter().for_each(wake);
    }

    /// Says whether the one that listens looks by itself from time to time. Who says so listens, and looks after that.
    pub(super) fn linger(&self, lingers: bool) {
        self.lingers.store(lingers.into(), Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Somebody awaits what was published: it is not to wait for the next look.
    pub(super) fn call(&self) {
        // Whoever lingers either sees here what was published, or is seen here.
        fence(Ordering::SeqCst);
        if self.lingers.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    /// Those that were rung since the last call.
    pub(super) fn take(&self, mut each: impl FnMut(usize)) {
        for (at, rung) in self.rung.iter().enumerate() {
            if rung.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = rung.swap(0, Ordering::Acquire);
            while bits != 0 {
                each(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// Listens for the next one. False if one was rung before.
    pub(super) fn listen(&self, cx: &Context<'_>) -> bool {
        let mut listener = lock(&self.listener);
        let known = listener
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()));
        let replaced = if known {
            None
        } else {
            listener.replace(cx.waker().clone())
        };
        drop(listener);
        drop(replaced);
        // After the listener is there: who rings comes after it, or is seen here.
        self.rung
            .iter()
            .all(|rung| rung.load(Ordering::Acquire) == 0)
    }
}
