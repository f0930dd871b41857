//! What callers ask of the thread.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use algedonic_transport::{Error, Lane};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError, oneshot};

use super::{Record, encoding::Draft, error::closed, place_of};

/// How long a removal may wait for others, or for an append, to share their write.
pub(super) const LINGER: Duration = Duration::from_millis(100);
/// What waits of one lane takes so many bytes at most.
const ROOM: u32 = 8 * 1024 * 1024;
/// So much of what is no signal is taken at once, if that is more than one append: a signal that comes meanwhile waits
/// for no more than that.
const TURN: u64 = 1024 * 1024;

/// Bounded: what is in it holds a share of the room of its lane.
#[derive(Debug)]
pub(super) struct Queue {
    rooms: [Arc<Semaphore>; 3],
    /// What anything takes of its room at least.
    least: u32,
    waiting: Mutex<Waiting>,
    bell: Condvar,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By lane.
    appends: [VecDeque<Append>; 3],
    reads: Vec<Read>,
    removals: Vec<u64>,
    first_removal: Option<Instant>,
    /// Nothing is put here any more.
    is_closed: bool,
}

/// What was asked for meanwhile: all signals, and as much of the rest as is done in one turn.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// By lane.
    pub(super) appends: [Vec<Append>; 3],
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
    /// With room for so many appends of each lane.
    pub(super) fn new(appends: u32) -> Self {
        Self {
            rooms: std::array::from_fn(|_| Arc::new(Semaphore::new(ROOM as usize))),
            least: ROOM.div_ceil(appends),
            waiting: Mutex::default(),
            bell: Condvar::new(),
            over: AtomicBool::new(false),
        }
    }

    fn room(&self, lane: Lane) -> Arc<Semaphore> {
        Arc::clone(&self.rooms[place_of(lane)])
    }

    /// What something of this length takes of its room.
    fn share_of(&self, length: u64) -> u32 {
        u32::try_from(length).map_or(ROOM, |length| length.clamp(self.least, ROOM))
    }

    /// A share of the room, if nobody has to wait; none to wait.
    pub(super) fn try_share(
        &self,
        lane: Lane,
        length: u64,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let share = self
            .room(lane)
            .try_acquire_many_owned(self.share_of(length));
        match share {
            Ok(share) => Ok(Some(share)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(closed("use the spool")),
        }
    }

    /// A share of the room, in turn.
    pub(super) async fn share(
        &self,
        lane: Lane,
        length: u64,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let share = self.room(lane).acquire_many_owned(self.share_of(length));
        share.await.map_err(|_| closed("use the spool"))
    }

    pub(super) fn append(&self, append: Append) {
        let place = place_of(append.draft.lane);
        self.put(|waiting| waiting.appends[place].push_back(append));
    }

    pub(super) fn read(&self, read: Read) {
        self.put(|waiting| waiting.reads.push(read));
    }

    /// These go with the next write, or soon.
    pub(super) fn remove(&self, sequences: &[u64]) {
        self.put(|waiting| {
            waiting.removals.extend(sequences);
            waiting.first_removal.get_or_insert_with(Instant::now);
        });
    }

    fn put(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.lock();
        // What is not put is dropped, and with it its reply.
        if !waiting.is_closed && !self.is_over() {
            put(&mut waiting);
            drop(waiting);
            self.bell.notify_one();
        }
    }

    /// Lets the thread finish what it has, and end.
    pub(super) fn close(&self) {
        self.close_rooms();
        self.lock().is_closed = true;
        self.bell.notify_one();
    }

    /// The thread has ended: nobody takes what is here.
    pub(super) fn end(&self) {
        self.close_rooms();
        self.over.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.lock());
        drop(waiting);
    }

    fn close_rooms(&self) {
        self.rooms.iter().for_each(|room| room.close());
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
            if waiting.is_awaited() || waiting.is_closed || now >= until {
                return waiting.take();
            }
            let woken = self.bell.wait_timeout(waiting, until - now);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether somebody waits for any of it.
    fn is_awaited(&self) -> bool {
        !self.reads.is_empty() || self.appends.iter().any(|appends| !appends.is_empty())
    }

    fn take(&mut self) -> Work {
        let mut work = Work {
            reads: std::mem::take(&mut self.reads),
            removals: std::mem::take(&mut self.removals),
            ..Work::default()
        };
        self.first_removal = None;
        for lane in Lane::ALL {
            let waiting = &mut self.appends[place_of(lane)];
            let end = match lane {
                Lane::Signal => waiting.len(),
                Lane::Event | Lane::Command => turn_of(waiting),
            };
            work.appends[place_of(lane)] = waiting.drain(..end).collect();
        }
        work.last = self.is_closed && !self.is_awaited();
        work
    }
}

/// How many of these are taken at once.
fn turn_of(waiting: &VecDeque<Append>) -> usize {
    let mut bytes = 0;
    let fits = waiting.iter().take_while(|append| {
        let is_first = bytes == 0;
        bytes += append.draft.length();
        is_first || bytes <= TURN
    });
    fits.count()
}
