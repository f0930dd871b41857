//! How does a message get onto the channel?
//!
//! To wake a task for it takes longer than all else that is done for it here. So whoever sends it puts it on
//! the channel, as long as nothing stands before it: one at a time, or lapin would swap their confirms. The
//! task has the rest: what waits for a channel, and deadlines.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    answer::Watch,
    parcel::Parcel,
    pipeline::{Pipeline, Told},
};
use crate::window::Calls;

/// What the task of a publishing connection and those who send have in common.
#[derive(Default)]
pub(crate) struct Line {
    /// Open while messages can leave.
    gate: AtomicBool,
    state: Mutex<State>,
}

/// Where messages enter a line.
pub(crate) struct Door {
    line: Arc<Line>,
    /// Those that the task has to put on a channel. It has as many places as the lane.
    jobs: mpsc::Sender<Box<Parcel>>,
}

#[derive(Default)]
pub(super) struct State {
    /// While there is a channel.
    pub(super) pipeline: Option<Pipeline>,
    /// Nothing stands before the next message.
    pub(super) direct: bool,
    /// When the task will look at deadlines.
    pub(super) watched: Option<Instant>,
}

impl Door {
    pub(crate) fn new(line: Arc<Line>, jobs: mpsc::Sender<Box<Parcel>>) -> Self {
        Self { line, jobs }
    }

    /// Whether messages can leave.
    pub(crate) fn is_open(&self) -> bool {
        self.line.gate.load(Ordering::SeqCst)
    }

    /// Looks for outcomes, whoever waits for them: their places are wanted.
    pub(crate) fn look(&self) {
        let state = self.line.state();
        if let Some(pipeline) = &state.pipeline {
            let calls = pipeline.calls().clone();
            drop(state);
            self.line.look(&calls);
        }
    }

    /// Takes a message, behind all that were taken before.
    pub(crate) fn enter(&self, parcel: Box<Parcel>) -> Option<Watch> {
        let mut state = self.line.state();
        if state.direct
            && let State {
                pipeline: Some(pipeline),
                watched,
                ..
            } = &mut *state
            && pipeline.is_open()
        {
            let is_watched = watched.is_some_and(|at| at <= parcel.deadline);
            let at = pipeline.publish(parcel)?;
            let calls = pipeline.calls().clone();
            if !is_watched {
                calls.call();
            }
            drop(state);
            return Some(Watch::new(self.line.clone(), calls, at));
        }
        // What comes now must not overtake it.
        state.direct = false;
        let refused = self.jobs.try_send(parcel);
        drop(state);
        // If its task has ended, the ticket refuses as it is dropped.
        drop(refused);
        None
    }
}

impl Line {
    pub(crate) fn new(open: bool) -> Arc<Self> {
        Arc::new(Self {
            gate: AtomicBool::new(open),
            state: Mutex::default(),
        })
    }

    pub(super) fn set_open(&self, open: bool) {
        self.gate.store(open, Ordering::SeqCst);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the outcomes that are known by now on the channel with these calls. False: it has ended.
    pub(super) fn look(&self, calls: &Arc<Calls>) -> bool {
        let mut told = Told::new();
        let mut state = self.state();
        let pipeline = state.pipeline.as_mut();
        let Some(pipeline) = pipeline.filter(|pipeline| Arc::ptr_eq(pipeline.calls(), calls))
        else {
            return false;
        };
        if !pipeline.settle(&mut told) {
            calls.call();
        }
        drop(state);
        for (parcel, fate) in told {
            parcel.resolve(fate);
        }
        true
    }

    /// From now on messages may go onto this channel, until it is removed, or what this gives is dropped.
    pub(super) fn install(&self, pipeline: Pipeline) -> Installed<'_> {
        self.state().pipeline = Some(pipeline);
        Installed(self)
    }

    fn remove(&self) -> Option<Pipeline> {
        let mut state = self.state();
        state.direct = false;
        state.watched = None;
        state.pipeline.take()
    }
}

/// The channel of a line: it goes with the task.
pub(super) struct Installed<'line>(&'line Line);

impl Installed<'_> {
    /// From now on messages wait.
    pub(super) fn remove(self) -> Option<Pipeline> {
        self.0.remove()
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        // Not under the lock: who waits is told.
        drop(self.0.remove());
    }
}
