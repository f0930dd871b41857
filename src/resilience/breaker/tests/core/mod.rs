mod control;
mod probes;
mod trips;

use std::{cell::Cell, time::Duration};

use proptest::prelude::*;

use super::{
    model::{Counted, Model, in_window, trips},
    steps::{CASES, MILLI, Step, configs, rate, step_or_control, steps, tick, trip},
};
use crate::resilience::breaker::{
    BreakerConfig, Outcome, State, Trip,
    core::{Change, Core, Snapshot, Ticket},
};

/// A core with a clock and the calls that it admitted.
struct Subject {
    core: Core,
    now: u64,
    running: Vec<Ticket>,
    changes: Vec<Change>,
}

impl Subject {
    fn new(config: &BreakerConfig) -> Self {
        config.validate().expect("good");
        Self {
            core: Core::new(config.into(), Some(1)),
            // Not at the beginning of a bucket.
            now: 7,
            running: Vec::new(),
            changes: Vec::new(),
        }
    }

    fn call(&mut self) -> Result<Ticket, Option<Duration>> {
        let (admitted, change) = self.core.admit(|| self.now);
        self.changes.extend(change);
        admitted.map_err(|refusal| refusal.retry_after)
    }

    fn record(&mut self, ticket: Ticket, outcome: Outcome, slow: bool) {
        let change = self.core.record(ticket, outcome, slow, || self.now);
        self.changes.extend(change);
    }

    /// Calls and ends it at once; whether it was admitted.
    fn complete(&mut self, outcome: Outcome) -> bool {
        let ticket = self.call();
        if let Ok(ticket) = ticket {
            self.record(ticket, outcome, false);
        }
        ticket.is_ok()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Call => {
                if let Ok(ticket) = self.call() {
                    self.running.push(ticket);
                }
            }
            Step::Finish(call, outcome, slow) => {
                if !self.running.is_empty() {
                    let ticket = self.running.remove(call % self.running.len());
                    self.record(ticket, outcome, slow);
                }
            }
            Step::Tick(time) => self.now += time,
            Step::Disable => self.changes.extend(self.core.disable(self.now)),
            Step::ForceOpen => self.changes.extend(self.core.force_open(self.now)),
            Step::Reset => self.changes.push(self.core.reset(self.now)),
        }
    }

    fn state(&self) -> State {
        self.core.state(self.now)
    }

    fn snapshot(&self) -> Snapshot {
        self.core.snapshot(self.now)
    }

    /// Opens it, by as many failures as it takes.
    fn open(&mut self) {
        for _ in 0..100 {
            if !self.complete(Outcome::Failure) {
                break;
            }
        }
        assert_eq!(self.state(), State::Open);
    }

    /// Lets the open period pass.
    fn wait_until_half_open(&mut self) {
        self.now += wait(&self.snapshot());
        assert_eq!(self.state(), State::HalfOpen);
    }
}

fn wait(snapshot: &Snapshot) -> u64 {
    let wait = snapshot.retry_after.expect("open").as_nanos();
    u64::try_from(wait).expect("not for ever")
}

fn probing(permits: u32, successes: u32) -> BreakerConfig {
    BreakerConfig::default()
        .trip(Trip::Consecutive {
            failure_threshold: 2,
        })
        .half_open_permits(permits)
        .success_threshold(successes)
        .reset_jitter(0.0)
}
