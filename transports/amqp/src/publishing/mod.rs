//! How do the messages of one lane reach the broker, and their outcomes the senders?
//!
//! One task for each publishing connection: it connects, opens a confirm channel, and begins again after every
//! loss. What had no answer by then goes first on the next channel, in order and under the same ids, for as
//! long as its sender waits. While a channel works, who sends publishes on it (`line`), and who waits looks
//! for the outcomes (`answer`).

mod alarm;
mod answer;
mod confirm;
mod line;
mod opening;
mod parcel;
mod patience;
mod pipeline;
mod unconfirmed;

use std::{
    future::{poll_fn, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use algedonic_transport::Error;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use self::{
    alarm::Alarm,
    line::State,
    parcel::Late,
    pipeline::{Ended, Pipeline, Told},
    unconfirmed::Unconfirmed,
};
pub(crate) use self::{
    answer::Answer,
    line::{Door, Line},
    parcel::Parcel,
};
use crate::{
    backoff::Backoff,
    connect::{Change, Changes, Session},
    error::{self, During, lost},
    part::Part,
    phase::Phases,
    topology,
    transport::Shared,
    window::Calls,
};

/// How many messages are handed over before confirms are looked at again.
const BATCH: usize = 64;

/// How often the task looks for outcomes that somebody else was called for.
const LOOK: Duration = Duration::from_millis(250);

/// How many messages in a row may be refused, and none taken, before the lane itself is at fault.
const REFUSALS: u32 = 3;

/// One publishing connection of one lane, over all its losses.
pub(crate) struct Publishing {
    shared: Arc<Shared>,
    part: Part,
    line: Arc<Line>,
    jobs: mpsc::Receiver<Box<Parcel>>,
    /// Taken from these, and not published yet.
    #[expect(
        clippy::vec_box,
        reason = "a parcel is large, and moved from queue to queue"
    )]
    batch: Vec<Box<Parcel>>,
    phases: Phases,
    unconfirmed: Unconfirmed,
    /// Until then messages wait for the first connection, or for the channel after one that a single message
    /// has cost, each until its own deadline; afterwards, and once that has failed, they are refused while
    /// there is none.
    waits: Option<Instant>,
    /// The broker takes nothing on this connection, whichever channel it comes on.
    blocked: bool,
}

/// Why there is nothing more to do.
#[derive(Debug)]
enum End {
    /// The transport is closing, or was dropped.
    Left,
    Lost(Error),
}

impl Drop for Publishing {
    fn drop(&mut self) {
        // Under the lock under which messages are put there: none comes after the last look.
        let _state = self.line.state();
        self.jobs.close();
    }
}

impl Publishing {
    pub(crate) fn new(
        shared: Arc<Shared>,
        part: Part,
        line: Arc<Line>,
        jobs: mpsc::Receiver<Box<Parcel>>,
        waits: Option<Instant>,
    ) -> Self {
        Self {
            phases: Phases::new(&shared.phase),
            shared,
            part,
            line,
            jobs,
            batch: Vec::with_capacity(BATCH),
            unconfirmed: Unconfirmed::default(),
            waits,
            blocked: false,
        }
    }

    /// Runs until the transport closes.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(&self.shared.config.reconnect);
        loop {
            self.shared.board.attempt(self.part);
            let shared = self.shared.clone();
            let Some(opened) = self
                .meanwhile(Session::open(&shared.config, self.part))
                .await
            else {
                return;
            };
            let (end, worked) = match opened {
                Err(error) => {
                    self.shut();
                    (End::Lost(error), Duration::ZERO)
                }
                Ok((session, changes)) => self.serve(session, changes).await,
            };
            let End::Lost(error) = end else { return };
            let pause = backoff.after(&error, worked);
            tracing::debug!(connection = %self.part, %error, ?pause, "next attempt after a pause");
            self.shared.board.down(self.part, error);
            if self.meanwhile(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// From now on messages are refused.
    fn shut(&mut self) {
        self.waits = None;
        self.line.set_open(false);
        self.batch.drain(..).for_each(Parcel::refuse);
    }

    /// Awaits `step` while nothing can be published. None: the transport is closing.
    async fn meanwhile<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let mut step = pin!(step);
        let (mut alarm, mut waiting) = (Alarm::default(), Alarm::default());
        loop {
            let held = self.batch.iter().map(|parcel| parcel.deadline);
            let deadline = held.chain(self.unconfirmed.deadline()).min();
            tokio::select! {
                biased;
                done = &mut step => return Some(done),
                () = self.phases.leaving() => return None,
                () = waiting.at(self.waits), if self.waits.is_some() => self.shut(),
                // In the queue nobody would see how late they are. There are no more than have places.
                count = self.jobs.recv_many(&mut self.batch, BATCH) => {
                    if count == 0 {
                        return None;
                    }
                    if self.waits.is_none() {
                        self.batch.drain(..).for_each(Parcel::refuse);
                    }
                }
                () = alarm.at(deadline) => {
                    let now = Instant::now();
                    let mut late = Vec::new();
                    self.unconfirmed.expire(now, &mut late);
                    late.into_iter().for_each(Late::tell);
                    let late = self.batch.extract_if(.., |parcel| parcel.deadline <= now);
                    late.for_each(Parcel::refuse);
                }
            }
        }
    }

    /// Takes note of what has happened to the connection. Some: it is lost.
    fn changed(&mut self, change: Change) -> Option<End> {
        match change {
            Change::Lost(error) => return Some(End::Lost(error)),
            Change::Blocked(reason) => self.block(&reason),
            Change::Unblocked => self.open_gate(),
        }
        None
    }

    /// There is an alarm.
    fn block(&mut self, reason: &str) {
        self.blocked = true;
        self.line.set_open(false);
        let error = error::blocked(reason);
        self.shared.board.blocked(self.part, error);
    }

    /// From now on messages are published.
    fn open_gate(&mut self) {
        self.blocked = false;
        self.line.set_open(true);
        self.shared.board.up(self.part);
    }

    /// Publishes on one connection until that is lost; says how long it worked.
    async fn serve(&mut self, session: Session, mut changes: Changes) -> (End, Duration) {
        let mut since = None;
        let mut refusals = 0;
        self.blocked = false;
        let end = loop {
            let shared = self.shared.clone();
            let channel = match self.channel(&session, &mut changes).await {
                None => break End::Left,
                Some(Err(error)) => {
                    // lapin can lose the connection over the channel before, at any time.
                    if since.is_none() || session.is_connected() {
                        self.shut();
                    }
                    break End::Lost(error);
                }
                Some(Ok(channel)) => channel,
            };
            self.waits = None;
            since.get_or_insert_with(Instant::now);
            let exchange = topology::exchange(&shared.config, self.part.lane);
            let pipeline = Pipeline::new(channel, exchange, shared.clone());
            let (line, calls) = (self.line.clone(), pipeline.calls().clone());
            let installed = line.install(pipeline);
            let end = self.publish(&session, &mut changes, &calls).await;
            // Nobody else takes it.
            let Some(pipeline) = installed.remove() else {
                continue;
            };
            let (reason, left) = match end {
                End::Left => (lost(During::Publish, "the transport was closed"), true),
                End::Lost(error) => (error, false),
            };
            refusals = if pipeline.answered() > 0 { 0 } else { refusals };
            let Ended { fault, refused } = pipeline.end(reason, &mut self.unconfirmed);
            if left {
                self.shut();
                break End::Left;
            }
            refusals += u32::from(refused);
            if !fault.blames || refusals > REFUSALS {
                self.shut();
                break End::Lost(fault.error);
            }
            self.waits = Some(Instant::now() + shared.config.confirm_timeout);
            if !session.is_connected() {
                let error = lost(During::Publish, "the connection went with a channel");
                break End::Lost(changes.cause(error).await);
            }
        };
        session
            .close(self.phases.goodbye(matches!(end, End::Left)))
            .await;
        (end, since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    /// Publishes on one channel until that fails, or the connection does.
    async fn publish(&mut self, session: &Session, changes: &mut Changes, calls: &Calls) -> End {
        let shared = self.shared.clone();
        let config = &shared.config;
        // What came with the channel.
        loop {
            tokio::select! {
                biased;
                change = changes.next() => if let Some(end) = self.changed(change) {
                    return end;
                },
                () = ready(()) => break,
            }
        }
        if !self.blocked {
            self.open_gate();
        }
        let line = self.line.clone();
        let (mut told, mut late) = (Told::new(), Vec::new());
        let mut alarm = Alarm::default();
        let (mut drains, mut leaves) = (self.phases.clone(), self.phases.clone());
        let (mut draining, mut leaving) = (pin!(drains.draining()), pin!(leaves.leaving()));
        let mut is_draining = false;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut check = pin!(topology::keep_exchange(session, config, self.part.lane));
        loop {
            if self.blocked {
                // It takes nothing.
                self.batch.drain(..).for_each(Parcel::refuse);
            }
            let (turn, watched, direct) = {
                let mut state = line.state();
                let turn = self.turn(&mut state, &mut told, &mut late);
                (turn, state.watched, state.direct)
            };
            for (parcel, fate) in told.drain(..) {
                parcel.resolve(fate);
            }
            late.drain(..).for_each(Late::tell);
            if let Err(error) = turn {
                return End::Lost(error);
            }
            let blocked = self.blocked;
            tokio::select! {
                biased;
                () = &mut leaving => return End::Left,
                change = changes.next() => {
                    if let Some(end) = self.changed(change) {
                        return end;
                    }
                    if blocked && !self.blocked {
                        // Its time went on while nobody looked after it, and nothing was answered.
                        check.set(topology::keep_exchange(session, config, self.part.lane));
                    }
                }
                () = poll_fn(|context| calls.poll(context)) => {}
                count = self.jobs.recv_many(&mut self.batch, BATCH), if direct || blocked => if count == 0 {
                    return End::Left;
                },
                () = alarm.at(watched) => {}
                // Those who wait may not come for what they are called for.
                _ = look.tick(), if watched.is_some() => {}
                () = &mut draining, if !is_draining => {
                    is_draining = true;
                    calls.call_task_only();
                }
                error = &mut check, if !blocked => return End::Lost(error),
            }
        }
    }

    /// Sees to the outcomes and the deadlines of what is on the channel, and puts on it what waits. An error: it
    /// has failed.
    fn turn(
        &mut self,
        state: &mut State,
        told: &mut Told,
        late: &mut Vec<Late>,
    ) -> Result<(), Error> {
        let closed = || lost(During::Publish, "the channel was closed");
        let pipeline = state.pipeline.as_mut().ok_or_else(closed)?;
        let lives = pipeline.settle(told);
        let now = Instant::now();
        self.unconfirmed.expire(now, late);
        pipeline.expire(now, self.blocked, late)?;
        let is_open = pipeline.is_open();
        if !lives || (pipeline.in_flight() == 0 && !is_open) {
            return Err(closed());
        }
        let open = !self.blocked && is_open;
        // What is to be published again goes first.
        while open && let Some(parcel) = self.unconfirmed.next(pipeline.in_flight()) {
            pipeline.publish(parcel);
        }
        state.direct = open && self.unconfirmed.is_empty();
        if state.direct {
            for job in self.batch.drain(..) {
                pipeline.publish(job);
            }
            // Nothing is put there meanwhile.
            while let Ok(job) = self.jobs.try_recv() {
                pipeline.publish(job);
            }
        }
        let deadlines = [pipeline.deadline(), self.unconfirmed.deadline()];
        // A look too many is less than one called for by each message that comes after a pause.
        let before = state.watched.filter(|at| *at > now);
        state.watched = deadlines.into_iter().flatten().chain(before).min();
        Ok(())
    }
}
