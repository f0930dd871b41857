use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use algedonic::{
    Error, ErrorKind,
    spool::{LaneStatus, LossCause, Lost, Notice, Record, Spool, SpoolStatus},
    transport::{BoxFuture, Lane, Message},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

/// A spool in memory, by tokio's clock. Its clones are one, and outlive the bus, as a disk does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    state: Arc<Mutex<State>>,
    told: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<u64, Message>,
    next: u64,
    /// How long a write takes.
    latency: Duration,
    /// When the last write is done: they are done in order.
    busy: Option<Instant>,
    /// Why it does not write.
    failure: Option<Error>,
    /// It does not read either.
    is_broken: bool,
    /// So many records it holds at most: the oldest makes room.
    bound: Option<usize>,
    appended: u64,
    removed: u64,
    notices: Vec<Notice>,
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// How many it holds.
    pub(crate) fn len(&self) -> usize {
        self.state().records.len()
    }

    pub(crate) fn appended(&self) -> u64 {
        self.state().appended
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// From now on it is full, or works again.
    pub(crate) fn set_full(&self, is_full: bool) {
        let full =
            || Error::transient(ErrorKind::Busy, "spool a message").with_detail("it is full");
        self.state().failure = is_full.then(full);
    }

    /// From now on it neither writes nor reads, or works again.
    pub(crate) fn set_broken(&self, is_broken: bool) {
        let mut state = self.state();
        state.is_broken = is_broken;
        state.failure = is_broken.then(broken);
    }

    pub(crate) fn set_bound(&self, records: usize) {
        self.state().bound = Some(records);
    }

    pub(crate) fn tell(&self, notice: Notice) {
        self.state().notices.push(notice);
        self.told.notify_one();
    }
}

fn broken() -> Error {
    Error::transient(ErrorKind::Unavailable, "spool a message").with_detail("input/output error")
}

impl Spool for Shelf {
    fn append(&self, message: Message) -> BoxFuture<Result<u64, Error>> {
        let kept = self.clone();
        let (done, placed) = {
            let mut state = self.state();
            let done = state.busy.max(Some(Instant::now() + state.latency));
            state.busy = done;
            let placed = if let Some(error) = state.failure.clone() {
                Err(error)
            } else {
                state.next += 1;
                Ok(state.next)
            };
            (done, placed)
        };
        Box::pin(async move {
            let sequence = placed?;
            if let Some(done) = done.filter(|done| *done > Instant::now()) {
                sleep_until(done).await;
            }
            let mut state = kept.state();
            let bound = state.bound.unwrap_or(usize::MAX);
            while state.records.len() >= bound
                && let Some((oldest, old)) = state.records.pop_first()
            {
                let record = Record::new(oldest, SystemTime::UNIX_EPOCH, old);
                let lost = Lost::new(record, LossCause::Full);
                let lost = lost.made_room_for(message.metadata.correlation.clone());
                state.notices.push(Notice::Lost(lost));
                kept.told.notify_one();
            }
            state.records.insert(sequence, message);
            state.appended += 1;
            Ok(sequence)
        })
    }

    fn read(&self, lane: Lane, after: u64, limit: usize) -> BoxFuture<Result<Vec<Record>, Error>> {
        let kept = self.clone();
        Box::pin(async move {
            let latency = kept.state().latency;
            if !latency.is_zero() {
                sleep(latency).await;
            }
            let state = kept.state();
            if state.is_broken {
                return Err(broken());
            }
            let behind = state.records.range(after + 1..);
            let of_lane = behind.filter(|(_, message)| message.lane == lane);
            let records = of_lane.take(limit).map(|(sequence, message)| {
                Record::new(*sequence, SystemTime::UNIX_EPOCH, message.clone())
            });
            Ok(records.collect())
        })
    }

    fn remove(&self, sequences: &[u64]) {
        let mut state = self.state();
        for sequence in sequences {
            let removed = state.records.remove(sequence);
            state.removed += u64::from(removed.is_some());
        }
    }

    fn status(&self) -> SpoolStatus {
        let state = self.state();
        let mut status = SpoolStatus::default();
        status.appended = state.appended;
        status.removed = state.removed;
        for lane in Lane::ALL {
            let mut of_lane = LaneStatus::default();
            let messages = state.records.values();
            of_lane.records = messages.filter(|message| message.lane == lane).count() as u64;
            status.set_lane(lane, of_lane);
        }
        status
    }

    fn notice(&self) -> BoxFuture<Option<Notice>> {
        let kept = self.clone();
        Box::pin(async move {
            loop {
                let next = {
                    let mut state = kept.state();
                    (!state.notices.is_empty()).then(|| state.notices.remove(0))
                };
                if next.is_some() {
                    return next;
                }
                kept.told.notified().await;
            }
        })
    }

    fn close(&self, _: Duration) -> BoxFuture<Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
