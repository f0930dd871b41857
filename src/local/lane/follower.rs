use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Lane, Phase, State, pace::Pace};
use crate::{
    event::{Envelope, Event, Origin, Sealed},
    local::{
        Buffer, Gap, Lag,
        inbox::Rest,
        log::{Garbage, Mark, Reader},
        sleepers::Bed,
        sync::{AtomicU64, Ordering, lock, wake},
    },
    observe::{Account, Settled},
};

/// How often a reader looks again before it sleeps. A publisher on another processor is but a moment behind
/// it, and to sleep and be woken costs both of them a hundred times as much as a look. Loom has no moments.
const LOOKS: u8 = if cfg!(all(test, algedonic_loom)) {
    0
} else {
    4
};

/// A subscriber that follows the lane's log. Dropped, it leaves the lane at once, and releases
/// publishers that wait for it.
pub(crate) struct Follower<E: Event> {
    lane: Arc<Lane<E>>,
    reader: Reader<Arc<Origin>, Sealed<E>>,
    bed: Bed,
    /// When it looks whether publishers wait for it.
    pace: Pace,
    /// Entries below this can be read without a look at anything but their expiry.
    plain: u64,
    /// It has just been told of a gap: the next entry is its own, however fast others publish.
    told: bool,
    /// It has left the lane.
    left: bool,
    tally: Arc<Tally>,
}

/// What a follower tells others of itself. Written by it alone.
pub(super) struct Tally {
    pub(super) buffer: Buffer,
    /// The number of the first entry it was to get.
    start: u64,
    mark: Mark,
    dropped: AtomicU64,
    expired: AtomicU64,
    /// So many of the next entries it has beside the buffer: lent, or kept after a gap.
    own: AtomicU64,
    /// By handlers, if they drive it.
    pub(super) settled: Option<Arc<Settled>>,
}

impl<E: Event> Follower<E> {
    pub(super) fn new(
        lane: Arc<Lane<E>>,
        reader: Reader<Arc<Origin>, Sealed<E>>,
        buffer: Buffer,
        id: u64,
        settled: Option<Arc<Settled>>,
    ) -> Self {
        let capacity = buffer.capacity.get() as u64;
        Self {
            pace: Pace::new(reader.at(), (buffer.lag == Lag::Block).then_some(capacity)),
            plain: 0,
            told: false,
            tally: Arc::new(Tally {
                buffer,
                start: reader.at(),
                mark: reader.mark(),
                dropped: AtomicU64::new(0),
                expired: AtomicU64::new(0),
                own: AtomicU64::new(0),
                settled,
            }),
            left: false,
            bed: Bed::new(id),
            reader,
            lane,
        }
    }

    pub(super) fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// How many events wait to be read, after the next `lent` ones. That many may be lent even beyond the
    /// capacity: what is in its segment it can read, however far publishers have come meanwhile.
    pub(crate) fn unread_after(&self, lent: u64) -> u64 {
        let lag = self.reader.lag() - lent;
        let own = u64::from(self.told && lent == 0);
        match self.tally.buffer.lag {
            Lag::DropOldest => lag.min(self.tally.buffer.capacity.get() as u64 + own),
            _ => lag,
        }
    }

    /// Waits until the next entry can be read, or a gap be told. None: the lane has ended.
    #[inline]
    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), Gap>>> {
        loop {
            if self.tally.buffer.lag == Lag::DropOldest && !self.told && self.is_behind() {
                let gap = self.catch_up();
                return Poll::Ready(Some(gap.map_or(Ok(()), Err)));
            }
            if self.reader.is_ready() {
                if self.reader.is_lost()
                    && let Some(gap) = self.catch_up()
                {
                    return Poll::Ready(Some(Err(gap)));
                }
                if self.tally.buffer.lag == Lag::Block {
                    self.plain = self.reader.ready().min(self.pace.next());
                }
                return Poll::Ready(Some(Ok(())));
            }
            if let Poll::Ready(ended) = self.sleep(cx) {
                if ended {
                    return Poll::Ready(None);
                }
                continue;
            }
            return Poll::Pending;
        }
    }

    fn is_behind(&self) -> bool {
        self.reader.lag() > self.tally.buffer.capacity.get() as u64
    }

    /// Goes to the next entry that the log keeps for it, and says what it passed over.
    #[cold]
    fn catch_up(&mut self) -> Option<Gap> {
        let state = lock(&self.lane.state);
        let (gap, garbage) = Self::seek(&mut self.reader, &self.tally, &state);
        drop(state);
        drop(garbage);
        self.told = gap.is_some();
        self.keep(u64::from(self.told));
        gap
    }

    /// Says that the next entries are its own, whatever the buffer holds.
    #[inline]
    pub(crate) fn keep(&self, entries: u64) {
        if self.tally.buffer.lag == Lag::DropOldest {
            self.tally.own.store(entries, Ordering::Relaxed);
        }
    }

    /// Takes a reader to the next entry that the log keeps for it.
    fn seek(
        reader: &mut Reader<Arc<Origin>, Sealed<E>>,
        tally: &Tally,
        state: &State<E>,
    ) -> (Option<Gap>, Garbage<Arc<Origin>, Sealed<E>>) {
        let kept = match tally.buffer.lag {
            Lag::DropOldest => tally.buffer.capacity.get() as u64,
            _ => u64::MAX,
        };
        let at = reader.at();
        let missed = (state.log.next() - at).saturating_sub(kept);
        if missed > 0 {
            let dropped = tally.dropped.load(Ordering::Relaxed);
            tally.dropped.store(dropped + missed, Ordering::Relaxed);
        }
        // At once: until it holds the segment, a publisher may drop that.
        let garbage = state.log.seek(reader, at + missed);
        let gap = (missed > 0).then(|| Gap::new(at - tally.start, missed));
        (gap, garbage)
    }

    /// Waits for the next entry. Ready means: look again, or (true) the lane has ended.
    #[cold]
    fn sleep(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        for _ in 0..LOOKS {
            std::hint::spin_loop();
            if self.reader.is_ready() {
                return Poll::Ready(false);
            }
        }
        let mut state = lock(&self.lane.state);
        if state.log.next() > self.reader.at() {
            return Poll::Ready(false);
        }
        if state.phase == Phase::Closed {
            return Poll::Ready(true);
        }
        let replaced = state.sleepers.lie_down(&mut self.bed, cx.waker());
        state.reclear();
        self.pace.rest(self.reader.at());
        let wakers = if self.lane.waiting.load(Ordering::Relaxed) > 0 {
            state.admit()
        } else {
            Vec::new()
        };
        let garbage = state.all_sleep().then(|| state.log.release_read());
        drop(state);
        wakers.into_iter().for_each(wake);
        drop((garbage, replaced));
        Poll::Pending
    }

    /// Goes past entries that were read, if the one behind them can be read at once and nothing
    /// else is to be done: nearly always.
    #[inline]
    pub(crate) fn pass(&mut self, entries: u64) -> bool {
        let plain = self.reader.at() + entries < self.plain;
        if plain {
            self.reader.advance(entries);
        }
        plain
    }

    /// How many entries can be read in a row.
    #[inline]
    pub(crate) fn run(&self) -> u64 {
        let run = self.reader.run();
        // After a gap the next one is kept for it; those behind may be beyond its buffer by now.
        if self.told && self.is_behind() {
            run.min(1)
        } else {
            run
        }
    }

    /// The entry `ahead` of the next one, within the [run](Self::run).
    #[inline]
    pub(crate) fn peek(&self, ahead: u64) -> &Sealed<E> {
        self.reader.get_at(self.reader.at() + ahead)
    }

    /// An owner of that entry.
    #[inline]
    pub(crate) fn share(&self, ahead: u64) -> Envelope<E> {
        Envelope::shared(self.reader.share_at(self.reader.at() + ahead))
    }

    /// Goes past entries that were read.
    #[inline]
    pub(crate) fn advance(&mut self, entries: u64) {
        self.told = false;
        self.keep(0);
        self.reader.advance(entries);
        if self.reader.at() >= self.pace.next() {
            self.pace.look(self.reader.at());
            // Also when nobody waits it must be a write, to be ordered with the publisher's.
            if self.lane.waiting.fetch_add(0, Ordering::AcqRel) > 0 {
                self.lane.make_room();
            }
        }
    }

    /// Counts an entry that is passed because its time is over.
    pub(crate) fn count_expired(&self) {
        let expired = self.tally.expired.load(Ordering::Relaxed);
        self.tally.expired.store(expired + 1, Ordering::Relaxed);
    }
}

impl Tally {
    /// The account while the next entry of the log has the number `next`.
    pub(super) fn account(&self, next: u64) -> Account {
        let account = self.taken(next);
        match &self.settled {
            None => account,
            Some(settled) => settled.complete(account),
        }
    }

    /// What it has read, whether that is settled or not.
    pub(super) fn taken(&self, next: u64) -> Account {
        let at = self.mark.at();
        let expired = self.expired.load(Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        let behind = next.saturating_sub(at);
        let untold = match self.buffer.lag {
            Lag::DropOldest => {
                let own = self.own.load(Ordering::Relaxed);
                behind.saturating_sub(self.buffer.capacity.get() as u64 + own)
            }
            _ => 0,
        };
        Account {
            offered: next.saturating_sub(self.start),
            delivered: (at - self.start).saturating_sub(dropped + expired),
            dropped: dropped + untold,
            expired,
            in_flight: behind - untold,
            ..Account::default()
        }
    }
}

impl<E: Event> Follower<E> {
    /// Leaves the lane, and takes along what it has not read.
    pub(crate) fn finish(&mut self) -> Rest<Envelope<E>> {
        self.leave(true)
    }

    fn leave(&mut self, take: bool) -> Rest<Envelope<E>> {
        let mut rest = Rest {
            items: VecDeque::new(),
            missed: 0,
        };
        if std::mem::replace(&mut self.left, true) {
            return rest;
        }
        self.plain = 0;
        let (garbage, wakers, own) = {
            let mut state = lock(&self.lane.state);
            let mut garbage = Garbage::default();
            if take && self.reader.at() < state.log.next() {
                let (gap, left) = Self::seek(&mut self.reader, &self.tally, &state);
                garbage.add(left);
                rest.missed = gap.map_or(0, |gap| gap.missed);
                while self.reader.is_ready() {
                    if self.reader.is_lost() {
                        let at = self.reader.at();
                        garbage.add(state.log.seek(&mut self.reader, at));
                    }
                    let next = self.reader.share_at(self.reader.at());
                    rest.items.push_back(Envelope::shared(next));
                    self.reader.advance(1);
                }
            }
            let own = state.sleepers.leave(self.bed);
            let (forgotten, wakers) = state.forget(&mut self.reader, self.bed);
            garbage.add(forgotten);
            (garbage, wakers, own)
        };
        self.lane.heard.fetch_sub(1, Ordering::Relaxed);
        wakers.into_iter().for_each(wake);
        drop((garbage, own));
        rest
    }
}

impl<E: Event> Drop for Follower<E> {
    fn drop(&mut self) {
        self.leave(false);
    }
}
