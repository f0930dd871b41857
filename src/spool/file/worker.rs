//! The thread that has the database: no other waits for the disk.

use std::{
    collections::VecDeque,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use algedonic_transport::{Error, ErrorKind, Lane};
use tokio::sync::{Notify, watch};
use tracing::{error, info};

use super::{
    Notice, Record, SpoolStatus,
    encoding::millis,
    queue::{Append, LINGER, Queue, Work},
    store::Store,
};

/// How often what is too old is looked for when nothing else happens.
const IDLE: Duration = Duration::from_secs(60);
/// How long a disk that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);
/// Notices that are kept for who takes them; the status counts what they say anyway.
const NOTICES: usize = 1024;

/// What the thread and its callers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) queue: Queue,
    told: Mutex<Told>,
    /// For who waits for a notice.
    pub(super) bell: Notify,
}

#[derive(Debug, Default)]
struct Told {
    status: SpoolStatus,
    notices: VecDeque<Notice>,
}

impl Shared {
    pub(super) fn new(queue: Queue) -> Self {
        Self {
            queue,
            told: Mutex::default(),
            bell: Notify::new(),
        }
    }

    pub(super) fn status(&self) -> SpoolStatus {
        self.told().status.clone()
    }

    pub(super) fn take_notice(&self) -> Option<Notice> {
        self.told().notices.pop_front()
    }

    fn tell(&self, status: SpoolStatus, notices: impl IntoIterator<Item = Notice>) {
        let mut told = self.told();
        told.status = status;
        let before = told.notices.len();
        for notice in notices {
            match &notice {
                Notice::Damaged(_) | Notice::Broken(_) => error!(%notice, "spool"),
                Notice::Mended => info!(%notice, "spool"),
                Notice::Lost(_) => {}
            }
            if told.notices.len() == NOTICES {
                told.notices.pop_front();
            }
            told.notices.push_back(notice);
        }
        let more = told.notices.len() > before || before == NOTICES;
        drop(told);
        if more {
            self.bell.notify_waiters();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does, with a store that was opened.
pub(super) struct Worker {
    store: Store,
    shared: Over,
    /// Something failed, and nothing was written since; until then the disk is left alone.
    broken: Option<(Instant, Error)>,
    /// Since when something lies on the disk that was removed.
    unflushed: Option<Instant>,
    /// Dropped with this, which tells who waits for the end.
    _done: watch::Sender<()>,
}

impl Worker {
    pub(super) fn new(store: Store, shared: Arc<Shared>, done: watch::Sender<()>) -> Self {
        let mut worker = Self {
            store,
            shared: Over(shared),
            broken: None,
            unflushed: None,
            _done: done,
        };
        worker.tell();
        worker
    }

    /// Until nothing comes any more.
    pub(super) fn run(mut self) {
        loop {
            let linger = self.unflushed.map(|since| since + LINGER);
            let work = self
                .shared
                .queue
                .take(linger.unwrap_or_else(|| Instant::now() + IDLE));
            let last = work.last;
            self.round(work);
            if last {
                break;
            }
        }
        self.store.close();
    }

    fn round(&mut self, work: Work) {
        for sequence in work.removals {
            self.store.remove(sequence);
        }
        // A caller who is gone was told nothing: nothing is stored for it.
        let appends = work
            .appends
            .into_iter()
            .filter(|append| !append.reply.is_closed());
        let appends: Vec<Append> = appends.collect();
        let idle = appends.is_empty() && work.reads.is_empty();
        if let Err(error) = self.mended(work.last) {
            for append in appends {
                let _ = append.reply.send(Err(error.clone()));
            }
            for read in work.reads {
                let _ = read.reply.send(Err(error.clone()));
            }
            // Or it would try again at once.
            self.unflushed = None;
            return;
        }
        let due = self
            .unflushed
            .is_some_and(|since| since.elapsed() >= LINGER);
        self.commit(appends, work.last || idle || due);
        for read in work.reads {
            let _ = read
                .reply
                .send(self.read(read.lane, read.after, read.limit));
            drop(read.share);
        }
        let since = self.unflushed.unwrap_or_else(Instant::now);
        self.unflushed = self.store.is_unflushed().then_some(since);
        self.tell();
    }

    fn commit(&mut self, appends: Vec<Append>, flush: bool) {
        let (mut drafts, mut replies) = (Vec::new(), Vec::new());
        for append in appends {
            drafts.push(append.draft);
            replies.push((append.reply, append.share));
        }
        let committed = self.store.commit(drafts, flush, millis(SystemTime::now()));
        let committed = committed.map_err(|error| self.failed(error));
        if committed.as_ref().is_ok_and(|committed| committed.written)
            && self.broken.take().is_some()
        {
            self.store.books.error = None;
            self.store.notices.push(Notice::Mended);
        }
        // Whoever reads the answer finds the status as the answer says.
        self.tell();
        match committed {
            Ok(committed) => {
                for ((reply, _), outcome) in replies.into_iter().zip(committed.outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            Err(error) => {
                for (reply, _) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn read(&mut self, lane: Lane, after: u64, limit: usize) -> Result<Vec<Record>, Error> {
        let read = self.store.read(lane, after, limit);
        read.map_err(|error| self.failed(error))
    }

    /// The store failed: a file that is damaged is put aside at once, a disk that fails is left alone for a while.
    fn failed(&mut self, error: Error) -> Error {
        if self.store.works() {
            return error;
        }
        if error.kind() == ErrorKind::Malformed {
            let _ = self.mended(true);
        } else {
            self.rest(&error);
        }
        error
    }

    fn rest(&mut self, error: &Error) {
        if self.broken.is_none() {
            self.store.notices.push(Notice::Broken(error.clone()));
        }
        self.store.books.error = Some(error.clone());
        self.broken = Some((Instant::now() + PAUSE, error.clone()));
    }

    /// Opens what has failed, if its time has come.
    fn mended(&mut self, now: bool) -> Result<(), Error> {
        if self.store.works() {
            return Ok(());
        }
        if let Some((until, error)) = &self.broken
            && Instant::now() < *until
            && !now
        {
            return Err(error.clone());
        }
        self.store.mend().inspect_err(|error| {
            self.rest(error);
            self.tell();
        })
    }

    fn tell(&mut self) {
        let notices = std::mem::take(&mut self.store.notices);
        self.shared.tell(self.store.books.clone(), notices);
    }
}

/// Tells callers that the thread has ended, however it has.
struct Over(Arc<Shared>);

impl Deref for Over {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        self.queue.end();
        self.bell.notify_waiters();
    }
}
