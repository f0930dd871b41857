//! The thread that has the database: no other waits for the disk.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use algedonic_transport::{Error, ErrorKind, Lane};
use tokio::sync::watch;

use super::{
    Notice, Record,
    encoding::{Draft, millis},
    pause::Pause,
    place_of,
    queue::{Append, LINGER, Work},
    shared::Shared,
    store::{Committed, Store},
};

/// How often what is too old is looked for when nothing else happens.
const IDLE: Duration = Duration::from_secs(60);

/// What the thread does, with a store that was opened.
pub(super) struct Worker {
    store: Store,
    shared: Over,
    pause: Pause,
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
            pause: Pause::default(),
            unflushed: None,
            _done: done,
        };
        worker.tell();
        worker
    }

    /// Until nothing comes any more.
    pub(super) fn run(mut self) {
        let _ = self.store.keep_reserve();
        loop {
            let linger = self.unflushed.map(|since| since + LINGER);
            let until = linger.unwrap_or_else(|| Instant::now() + IDLE);
            // Whether there is room for signals again is looked for while nobody asks.
            let pause = self.pause.until().filter(|_| !self.store.has_reserve());
            let until = pause.map_or(until, |pause| pause.min(until));
            let work = self.shared.queue.take(until);
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
        let mut appends = work.appends.map(awaited);
        let idle = appends.iter().all(Vec::is_empty) && work.reads.is_empty();
        let mut of = |lane| std::mem::take(&mut appends[place_of(lane)]);
        // First, and by themselves: what finds no room on the disk takes no signal along.
        self.signals(of(Lane::Signal));
        let due = self
            .unflushed
            .is_some_and(|since| since.elapsed() >= LINGER);
        let (commands, events) = (of(Lane::Command), of(Lane::Event));
        if !commands.is_empty() {
            self.others(commands, false, work.last);
        }
        self.others(events, work.last || idle || due, work.last);
        for read in work.reads {
            let _ = read
                .reply
                .send(self.read(read.lane, read.after, read.limit));
            drop(read.share);
        }
        let since = self.unflushed.unwrap_or_else(Instant::now);
        // While the disk is left alone it would try again at once.
        let waits = self.store.is_unflushed() && self.pause.reason().is_none();
        self.unflushed = waits.then_some(since);
        self.tell();
    }

    /// They are tried on a disk that is left alone, too: they may fit where others have not.
    fn signals(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        if let Err(error) = self.mended() {
            return refuse(appends, &error);
        }
        self.commit(appends, true, |store, drafts, now| {
            store.commit_signals(drafts, now)
        });
    }

    fn others(&mut self, appends: Vec<Append>, flush: bool, last: bool) {
        let pause = self.pause.reason().filter(|_| !last);
        if let Err(error) = pause.map_or_else(|| self.mended(), Err) {
            return refuse(appends, &error);
        }
        match self.store.keep_reserve() {
            Ok(true) => self.worked(false),
            Ok(false) => {}
            Err(error) => {
                self.broke(&error, false);
                if !appends.is_empty() {
                    return refuse(appends, &error);
                }
                // What only removes makes room.
            }
        }
        let small = appends.is_empty();
        self.commit(appends, small, |store, drafts, now| {
            store.commit(drafts, flush, now)
        });
    }

    fn commit(
        &mut self,
        appends: Vec<Append>,
        small: bool,
        commit: impl FnOnce(&mut Store, Vec<Draft>, u64) -> Result<Committed, Error>,
    ) {
        let (mut drafts, mut replies) = (Vec::new(), Vec::new());
        for append in appends {
            drafts.push(append.draft);
            replies.push((append.reply, append.share));
        }
        let committed = commit(&mut self.store, drafts, millis(SystemTime::now()));
        let committed = committed.map_err(|error| self.failed(error, small));
        if committed.as_ref().is_ok_and(|committed| committed.written) {
            self.worked(small);
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
        if !self.store.works() {
            self.pause.reason().map_or_else(|| self.mended(), Err)?;
        }
        let read = self.store.read(lane, after, limit);
        read.map_err(|error| self.failed(error, true))
    }

    /// The store failed: a file that is damaged is put aside at once, a disk that fails is left alone for a while.
    fn failed(&mut self, error: Error, small: bool) -> Error {
        if self.store.works() {
            return error;
        }
        if error.kind() == ErrorKind::Malformed {
            let _ = self.mended();
        } else {
            self.broke(&error, small);
        }
        error
    }

    fn broke(&mut self, error: &Error, small: bool) {
        if self.pause.begin(error.clone(), small) {
            self.store.notices.push(Notice::Broken(error.clone()));
        }
        self.store.books.error = Some(error.clone());
    }

    /// Something was written. The disk works if there is room for signals, too.
    fn worked(&mut self, small: bool) {
        if !self.pause.is_ended_by(small) {
            return;
        }
        if let Err(error) = self.store.keep_reserve() {
            return self.broke(&error, false);
        }
        self.pause.end();
        self.store.books.error = None;
        self.store.notices.push(Notice::Mended);
    }

    /// Opens what has failed.
    fn mended(&mut self) -> Result<(), Error> {
        if self.store.works() {
            return Ok(());
        }
        self.store.mend().inspect_err(|error| {
            self.broke(error, true);
            self.tell();
        })
    }

    fn tell(&mut self) {
        let notices = std::mem::take(&mut self.store.notices);
        self.shared.tell(self.store.books.clone(), notices);
    }
}

/// Without those whose caller is gone, and was told nothing: nothing is stored for it.
fn awaited(mut appends: Vec<Append>) -> Vec<Append> {
    appends.retain(|append| !append.reply.is_closed());
    appends
}

fn refuse(appends: Vec<Append>, error: &Error) {
    for append in appends {
        let _ = append.reply.send(Err(error.clone()));
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
