use std::time::Duration;

use crate::resilience::breaker::{BreakerConfig, Outcome, Slow, State, Trip};

/// A breaker as its documentation has it: it remembers every outcome, and counts anew each time.
///
/// Without jitter and ramp, which have tests of their own.
#[derive(Debug)]
pub(super) struct Model {
    config: BreakerConfig,
    state: Now,
    pub(super) generation: u64,
    /// Every outcome of this closed generation, in order.
    outcomes: Vec<Counted>,
    /// How often it has opened since it was closed.
    openings: i32,
    calls: Vec<Call>,
    pub(super) changes: Vec<(State, State, u64)>,
}

/// The state, with what belongs to it. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Now {
    Closed,
    Disabled,
    ForcedOpen,
    HalfOpen { youngest: u64, successes: u32 },
    Open { until: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) at: u64,
    pub(super) failed: bool,
    pub(super) slow: bool,
}

#[derive(Debug)]
struct Call {
    generation: u64,
    running: bool,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("below 584 years")
}

impl Model {
    pub(super) fn new(config: BreakerConfig) -> Self {
        assert!(config.ramp.is_none() && config.reset_jitter == 0.0);
        Self {
            config,
            state: Now::Closed,
            generation: 0,
            outcomes: Vec::new(),
            openings: 0,
            calls: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// The number of the call, or how long to wait.
    pub(super) fn admit(&mut self, now: u64) -> Result<usize, Option<Duration>> {
        self.poll_ready(now);
        if matches!(self.state, Now::Open { until } if now >= until) {
            let half_open = Now::HalfOpen {
                youngest: 0,
                successes: 0,
            };
            self.go(half_open);
        }
        self.wait(now)?;
        if let Now::HalfOpen { youngest, .. } = &mut self.state {
            *youngest = now;
        }
        self.calls.push(Call {
            generation: self.generation,
            running: true,
        });
        Ok(self.calls.len() - 1)
    }

    /// What a service asks before a call: late probes are given up.
    pub(super) fn poll_ready(&mut self, now: u64) {
        if self.gives_up(now) {
            self.open(now);
        }
    }

    fn wait(&self, now: u64) -> Result<(), Option<Duration>> {
        match self.state {
            Now::ForcedOpen => Err(None),
            Now::HalfOpen { .. } if self.probes() >= self.config.half_open_permits as usize => {
                Err(None)
            }
            Now::Open { until } if now < until => Err(Some(Duration::from_nanos(until - now))),
            _ => Ok(()),
        }
    }

    pub(super) fn finish(&mut self, call: usize, outcome: Outcome, slow: bool, now: u64) {
        let slow = slow && self.config.slow_from().is_some();
        let call = &mut self.calls[call];
        assert!(std::mem::take(&mut call.running), "each call ends once");
        if call.generation != self.generation {
            return;
        }
        let failed = outcome == Outcome::Failure;
        match &mut self.state {
            Now::Closed if outcome != Outcome::Ignore => {
                let at = now;
                self.outcomes.push(Counted { at, failed, slow });
                if (failed || slow) && trips(&self.config.trip, &self.outcomes, now) {
                    self.open(now);
                }
            }
            Now::HalfOpen { .. } if failed || (slow && outcome == Outcome::Success) => {
                self.open(now);
            }
            Now::HalfOpen { successes, .. } if outcome == Outcome::Success => {
                *successes += 1;
                if *successes >= self.config.success_threshold {
                    self.close();
                }
            }
            _ => {}
        }
    }

    pub(super) fn force_open(&mut self) {
        if self.state != Now::ForcedOpen {
            self.go(Now::ForcedOpen);
        }
    }

    pub(super) fn disable(&mut self) {
        if self.state != Now::Disabled {
            self.go(Now::Disabled);
        }
    }

    pub(super) fn close(&mut self) {
        self.openings = 0;
        self.outcomes.clear();
        self.go(Now::Closed);
    }

    fn open(&mut self, now: u64) {
        let config = &self.config;
        let longer = config.reset_multiplier.powi(self.openings);
        let period = config.reset_timeout.mul_f64(longer);
        let period = if longer > 1.0 {
            period.min(config.reset_timeout_max)
        } else {
            period
        };
        self.openings += 1;
        let until = now + nanos(period);
        self.go(Now::Open { until });
    }

    fn go(&mut self, next: Now) {
        self.generation += 1;
        let change = (self.kept(), named(&next), self.generation);
        self.changes.push(change);
        self.state = next;
    }

    /// All probes hang.
    fn gives_up(&self, now: u64) -> bool {
        let Now::HalfOpen { youngest, .. } = self.state else {
            return false;
        };
        self.probes() >= self.config.half_open_permits as usize
            && now >= youngest + nanos(self.config.half_open_timeout)
    }

    /// Probes under way.
    pub(super) fn probes(&self) -> usize {
        if !matches!(self.state, Now::HalfOpen { .. }) {
            return 0;
        }
        let current = |call: &&Call| call.running && call.generation == self.generation;
        self.calls.iter().filter(current).count()
    }

    /// As it was left by the last call.
    fn kept(&self) -> State {
        named(&self.state)
    }

    /// As a call would find it.
    pub(super) fn state(&self, now: u64) -> State {
        match self.state {
            Now::Open { until } if now >= until => State::HalfOpen,
            _ if self.gives_up(now) => State::Open,
            _ => self.kept(),
        }
    }

    pub(super) fn failures(&self, now: u64) -> usize {
        match self.state {
            Now::Closed => in_window(&self.config.trip, &self.outcomes, now)
                .iter()
                .filter(|call| call.failed)
                .count(),
            _ => 0,
        }
    }

    pub(super) fn successes(&self) -> u32 {
        match self.state {
            Now::HalfOpen { successes, .. } => successes,
            _ => 0,
        }
    }
}

fn named(state: &Now) -> State {
    match state {
        Now::Closed => State::Closed,
        Now::Disabled => State::Disabled,
        Now::ForcedOpen => State::ForcedOpen,
        Now::HalfOpen { .. } => State::HalfOpen,
        Now::Open { .. } => State::Open,
    }
}

/// Of all outcomes, in order, those that a rule looks at.
pub(super) fn in_window(trip: &Trip, outcomes: &[Counted], now: u64) -> Vec<Counted> {
    match trip {
        Trip::Consecutive { .. } => {
            let row = outcomes.iter().rev().take_while(|call| call.failed);
            row.copied().collect()
        }
        // As many as it takes are enough to know.
        Trip::Failures {
            failure_threshold,
            window,
        } => {
            let failures = outcomes.iter().rev().filter(|call| call.failed);
            let young = failures.filter(|call| now - call.at < nanos(*window));
            young.take(*failure_threshold as usize).copied().collect()
        }
        Trip::RateOfCalls { calls, .. } => outcomes
            .iter()
            .rev()
            .take(*calls as usize)
            .copied()
            .collect(),
        Trip::RateInWindow { window, .. } => {
            let bucket = nanos(*window).div_ceil(10);
            let first = (now / bucket).saturating_sub(9);
            let young = outcomes.iter().filter(|call| call.at / bucket >= first);
            young.copied().collect()
        }
    }
}

/// Whether a rule is met, by the outcomes in its window.
pub(super) fn trips(trip: &Trip, outcomes: &[Counted], now: u64) -> bool {
    let window = in_window(trip, outcomes, now);
    let failures = window.iter().filter(|call| call.failed).count();
    let slows = window.iter().filter(|call| call.slow).count();
    let share = |count: usize| count as f64 / window.len() as f64;
    let slowed = |slow: &Option<Slow>| slow.is_some_and(|slow| share(slows) >= slow.rate);
    match trip {
        Trip::Consecutive { failure_threshold }
        | Trip::Failures {
            failure_threshold, ..
        } => failures >= *failure_threshold as usize,
        Trip::RateOfCalls {
            failure_rate,
            minimum_calls,
            slow,
            ..
        } => {
            window.len() >= *minimum_calls as usize
                && (failures > 0 && share(failures) >= *failure_rate || slowed(slow))
        }
        Trip::RateInWindow {
            failure_rate,
            minimum_calls,
            minimum_failures,
            slow,
            ..
        } => {
            window.len() >= *minimum_calls as usize
                && (failures >= *minimum_failures as usize && share(failures) >= *failure_rate
                    || slowed(slow))
        }
    }
}
