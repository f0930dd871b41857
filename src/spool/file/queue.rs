//! What callers ask of the thread.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use algedonic_transport::{Error, Lane};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::{Record, encoding::Draft, error::closed};

/// How long a removal may wait for others, or for an append, to share their write.
pub(super) const LINGER: Duration = Duration::from_millis(100);
/// What waits takes so many bytes at most.
const ROOM: u32 = 8 * 1024 * 1024;

/// Bounded: what is in it holds a share of the room.
#[derive(Debug)]
pub(super) struct Queue {
    room: Arc<Semaphore>,
    /// What anything takes of the room at least.
    least: u32,
    waiting: Mutex<Waiting>,
    bell: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    work: Work,
    first_removal: Option<Instant>,
}

/// All that was asked for meanwhile.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) appends: Vec<Append>,
    pub(super) reads: Vec<Read>,
    pub(super) removals: Vec<u64>,
    /// Nothing comes any more.
    pub(super) last: bool,
}

#[derive(Debug)]
pub(super) struct Append {
    pub(super) draft: Draft,
    pub(super) reply: oneshot::Sender<Result<u64, Error>>,
    pub(super) share: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) lane: Lane,
    pub(super) after: u64,
    pub(super) limit: usize,
    pub(super) reply: oneshot::Sender<Result<Vec<Record>, Error>>,
    pub(super) share: OwnedSemaphorePermit,
}

impl Queue {
    /// With room for so many appends.
    pub(super) fn new(appends: u32) -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM as usize)),
            least: ROOM.div_ceil(appends),
            waiting: Mutex::default(),
            bell: Condvar::new(),
            over: AtomicBool::new(false),
        }
    }

    /// What something of this length takes of the room.
    fn share_of(&self, length: u64) -> u32 {
        u32::try_from(length).map_or(ROOM, |length| length.clamp(self.least, ROOM))
    }

    /// A share of the room, if nobody has to wait; none to wait.
    pub(super) fn try_share(&self, length: u64) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let share = Arc::clone(&self.room).try_acquire_many_owned(self.share_of(length));
        match share {
            Ok(share) => Ok(Some(share)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(closed("use the spool")),
        }
    }

    /// A share of the room, in turn.
    pub(super) async fn share(&self, length: u64) -> Result<OwnedSemaphorePermit, Error> {
        let share = Arc::clone(&self.room).acquire_many_owned(self.share_of(length));
        share.await.map_err(|_| closed("use the spool"))
    }

    pub(super) fn append(&self, append: Append) {
        self.put(|waiting| waiting.work.appends.push(append));
    }

    pub(super) fn read(&self, read: Read) {
        self.put(|waiting| waiting.work.reads.push(read));
    }

    /// These go with the next write, or soon.
    pub(super) fn remove(&self, sequences: &[u64]) {
        self.put(|waiting| {
            waiting.work.removals.extend(sequences);
            waiting.first_removal.get_or_insert_with(Instant::now);
        });
    }

    fn put(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        // What is not put is dropped, and with it its reply.
        if !waiting.work.last && !self.is_over() {
            put(&mut waiting);
            drop(waiting);
            self.bell.notify_one();
        }
    }

    /// Lets the thread finish what it has, and end.
    pub(super) fn close(&self) {
        self.room.close();
        self.lock().work.last = true;
        self.bell.notify_one();
    }

    /// The thread has ended: nobody takes what is here.
    pub(super) fn end(&self) {
        self.room.close();
        self.over.store(true, Ordering::SeqCst);
        let work = std::mem::take(&mut self.lock().work);
        drop(work);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// For the thread: waits for something to do, at most until then.
    pub(super) fn take(&self, until: Instant) -> Work {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            let due = waiting.first_removal.map(|first| first + LINGER);
            let until = due.map_or(until, |due| due.min(until));
            let work = &waiting.work;
            if !work.appends.is_empty() || !work.reads.is_empty() || work.last || now >= until {
                waiting.first_removal = None;
                let last = waiting.work.last;
                let work = std::mem::take(&mut waiting.work);
                waiting.work.last = last;
                return work;
            }
            let woken = self.bell.wait_timeout(waiting, until - now);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
