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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn br_1_the_core_and_the_model_agree(
        config in configs(), steps in prop::collection::vec(step_or_control(), 1..80),
    ) {
        let mut subject = Subject::new(&config);
        let mut model = Model::new(config);
        let mut running = Vec::new();
        for step in steps {
            let now = subject.now;
            match step {
                Step::Call => {
                    let (admitted, expected) = (subject.call(), model.admit(now));
                    prop_assert_eq!(admitted.map(drop), expected.map(drop));
                    running.extend(admitted.ok().zip(expected.ok()));
                }
                Step::Finish(call, outcome, slow) if !running.is_empty() => {
                    let (ticket, number) = running.remove(call % running.len());
                    subject.record(ticket, outcome, slow);
                    model.finish(number, outcome, slow, now);
                }
                Step::Finish(..) => {}
                Step::Tick(_) => subject.take(step),
                Step::Disable => {
                    subject.take(step);
                    model.disable();
                }
                Step::ForceOpen => {
                    subject.take(step);
                    model.force_open();
                }
                Step::Reset => {
                    subject.take(step);
                    model.close();
                }
            }
            let now = subject.now;
            let snapshot = subject.snapshot();
            prop_assert_eq!(snapshot.state, model.state(now), "after {:?}", step);
            prop_assert_eq!(snapshot.generation, model.generation);
            prop_assert_eq!(snapshot.failures, model.failures(now) as u64);
            prop_assert_eq!(snapshot.successes, u64::from(model.successes()));
            prop_assert_eq!(snapshot.probes, model.probes() as u64);
            let changes: Vec<_> =
                subject.changes.iter().map(|change| (change.from, change.to, change.generation)).collect();
            prop_assert_eq!(&changes, &model.changes);
        }
    }

    /// One call after another, so that each outcome is recorded in the state that admitted it.
    #[test]
    fn br_2_window_equals_the_exact_multiset(
        trip in trip(), calls in prop::collection::vec((tick(), any::<bool>(), any::<bool>()), 1..100),
    ) {
        let config = BreakerConfig::default().trip(trip.clone());
        let mut subject = Subject::new(&config);
        let mut outcomes = Vec::new();
        for (time, failed, slow) in calls {
            let slow = slow && config.slow_from().is_some();
            subject.now += time;
            let ticket = subject.call().expect("closed");
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            subject.record(ticket, outcome, slow);
            outcomes.push(Counted { at: subject.now, failed, slow });
            let opens = (failed || slow) && trips(&trip, &outcomes, subject.now);
            prop_assert_eq!(subject.state() == State::Open, opens);
            if opens {
                break;
            }
            let counted = in_window(&trip, &outcomes, subject.now);
            let failures = counted.iter().filter(|call| call.failed).count();
            prop_assert_eq!(subject.snapshot().failures, failures as u64);
        }
    }

    /// The buckets know every call of nine tenths of the window, and none that is older than the whole.
    #[test]
    fn br_2_buckets_forget_within_a_tenth_of_the_window(
        millis in 10_u64..60, times in prop::collection::vec(tick(), 1..100),
    ) {
        let window = millis * MILLI;
        let config = BreakerConfig::default().trip(Trip::RateInWindow {
            window: Duration::from_nanos(window),
            failure_rate: 1.0,
            minimum_calls: u32::MAX,
            minimum_failures: 1,
            slow: None,
        });
        let mut subject = Subject::new(&config);
        let mut failures = Vec::new();
        for time in times {
            subject.now += time;
            subject.complete(Outcome::Failure);
            failures.push(subject.now);
            let younger = |age: u64| failures.iter().filter(|&&at| subject.now - at < age).count() as u64;
            let counted = subject.snapshot().failures;
            prop_assert!((younger(window - window / 10)..=younger(window)).contains(&counted));
        }
    }

    #[test]
    fn br_3_consecutive_means_without_a_success_between(threshold in 2_u32..200, rounds in 1..5) {
        let trip = Trip::Consecutive { failure_threshold: threshold };
        let mut subject = Subject::new(&BreakerConfig::default().trip(trip));
        for _ in 0..rounds {
            for _ in 1..threshold {
                subject.complete(Outcome::Failure);
            }
            subject.complete(Outcome::Ignore);
            prop_assert_eq!(subject.state(), State::Closed);
            subject.complete(Outcome::Success);
        }
        for _ in 1..threshold {
            subject.complete(Outcome::Failure);
        }
        prop_assert_eq!(subject.state(), State::Closed);
        subject.complete(Outcome::Failure);
        prop_assert_eq!(subject.state(), State::Open);
    }

    #[test]
    fn br_3_nothing_opens_below_the_minimum_and_the_threshold(
        calls in 10_u32..200, rate in rate(), minimum in 1_u32..10, before in 0_u32..500,
    ) {
        let trip = Trip::RateOfCalls { calls, failure_rate: rate, minimum_calls: minimum, slow: None };
        let mut subject = Subject::new(&BreakerConfig::default().trip(trip));
        for _ in 0..before {
            subject.complete(Outcome::Success);
        }
        // However long it went well, it takes no more failures than a window has places for.
        let mut failures = 0;
        while subject.state() == State::Closed {
            subject.complete(Outcome::Failure);
            failures += 1;
            prop_assert!(failures <= calls);
        }
        let filled = (before + failures).min(calls);
        prop_assert!(filled >= minimum);
        prop_assert!(f64::from(failures) / f64::from(filled) >= rate);
        let filled_before = (before + failures - 1).min(calls);
        let one_fewer = f64::from(failures - 1) / f64::from(filled_before);
        prop_assert!(filled_before < minimum || failures == 1 || one_fewer < rate);
    }

    /// Two breakers go the same way; one of them also hears of calls that it admitted in states that are
    /// over. Nobody can tell them apart.
    #[test]
    fn br_4_a_result_of_an_older_generation_changes_nothing(
        config in configs(), steps in steps(), late in prop::collection::vec((any::<bool>(), super::steps::outcome(), any::<bool>()), 80),
    ) {
        let (mut quiet, mut noisy) = (Subject::new(&config), Subject::new(&config));
        for (step, (comes, outcome, slow)) in steps.into_iter().zip(late) {
            // Those of the present state stay in the same order in both.
            let generation = noisy.snapshot().generation;
            let is_old = |ticket: &Ticket| ticket.generation() != generation;
            quiet.running.retain(|ticket| !is_old(ticket));
            let old: Vec<_> = noisy.running.iter().copied().filter(is_old).collect();
            noisy.running.retain(|ticket| !is_old(ticket));
            for ticket in old {
                if comes {
                    noisy.record(ticket, outcome, slow);
                }
            }
            quiet.take(step);
            noisy.take(step);
            prop_assert_eq!(quiet.snapshot(), noisy.snapshot());
            prop_assert_eq!(quiet.running.len(), noisy.running.len());
        }
        prop_assert_eq!(quiet.changes, noisy.changes);
    }

    #[test]
    fn br_5_never_more_probes_than_permits(config in configs(), steps in steps()) {
        let mut subject = Subject::new(&config);
        for step in steps {
            subject.take(step);
            let Snapshot { generation, probes, .. } = subject.snapshot();
            if subject.core.is_half_open() {
                let running = subject.running.iter().filter(|ticket| ticket.generation() == generation);
                prop_assert_eq!(running.count() as u64, probes);
            }
            prop_assert!(probes <= u64::from(config.half_open_permits));
        }
        let generations: Vec<_> = subject.changes.iter().map(|change| change.generation).collect();
        prop_assert!(generations.iter().copied().eq(1..=generations.len() as u64), "one transition each");
    }

    /// From wherever it got to, with all calls hanging that are under way: it closes again.
    #[test]
    fn br_6_a_dependency_that_is_back_is_found(config in configs(), before in steps(), every in 1_u64..20) {
        let mut subject = Subject::new(&config);
        for step in before {
            subject.take(step);
        }
        let step = every * MILLI / 10;
        let longest = config.reset_timeout_max.max(config.reset_timeout);
        let rest = subject.snapshot().retry_after.unwrap_or(longest);
        let bound = rest + config.half_open_timeout + longest;
        let calls = u64::from(config.success_threshold + config.half_open_permits + 3);
        let bound = subject.now + u64::try_from(bound.as_nanos()).expect("short") + calls * step;
        while subject.snapshot().state != State::Closed {
            prop_assert!(subject.now <= bound, "{:?}", subject.snapshot());
            subject.complete(Outcome::Success);
            subject.now += step;
        }
    }

    #[test]
    fn br_7_an_ignored_probe_frees_its_place_and_decides_nothing(
        permits in 1_u32..5, successes in 1_u32..5, ignored in 1_u32..20,
    ) {
        let mut subject = Subject::new(&probing(permits, successes));
        subject.open();
        subject.wait_until_half_open();
        for _ in 0..ignored {
            // All at once, so that a place that was lost would be missed.
            let probes: Vec<_> = (0..permits).map(|_| subject.call().expect("a place")).collect();
            prop_assert_eq!(subject.call(), Err(None));
            for probe in probes {
                subject.record(probe, Outcome::Ignore, false);
            }
            let snapshot = subject.snapshot();
            prop_assert_eq!((snapshot.state, snapshot.probes, snapshot.successes), (State::HalfOpen, 0, 0));
        }
        for _ in 0..successes {
            prop_assert!(subject.complete(Outcome::Success));
        }
        prop_assert_eq!(subject.state(), State::Closed);
    }

    #[test]
    fn br_9_the_open_period_is_exact(reset in 1_u64..1 << 50, opened_at in 0_u64..1 << 50) {
        let config = probing(1, 1).reset_timeout(Duration::from_nanos(reset));
        let mut subject = Subject::new(&config);
        subject.now = opened_at;
        subject.open();
        prop_assert_eq!(subject.call(), Err(Some(Duration::from_nanos(reset))));
        subject.now = opened_at + reset - 1;
        prop_assert_eq!(subject.state(), State::Open);
        prop_assert_eq!(subject.call(), Err(Some(Duration::from_nanos(1))));
        subject.now += 1;
        prop_assert_eq!(subject.state(), State::HalfOpen);
        prop_assert!(subject.call().is_ok());
    }

    /// Threads read the clock in one order and come in another.
    #[test]
    fn br_9_a_clock_that_stands_still_or_goes_back_does_no_harm(
        config in configs(),
        steps in prop::collection::vec((step_or_control(), prop::option::of(0_u64..50 * MILLI)), 1..80),
    ) {
        let mut subject = Subject::new(&config);
        for (step, back) in steps {
            let now = subject.now;
            if let Some(back) = back {
                subject.now = now.saturating_sub(back);
            }
            subject.take(step);
            subject.now = subject.now.max(now);
            prop_assert!(subject.snapshot().probes <= u64::from(config.half_open_permits));
        }
    }

    #[test]
    fn br_10_open_periods_have_jitter(
        reset in 1_u64..1_000, multiplier in 1.0..3.0_f64, jitter in 0.0..=1.0_f64, seed: u64,
    ) {
        let (reset, longest) = (Duration::from_millis(reset), Duration::from_secs(2));
        let config = probing(1, 1)
            .reset_timeout(reset)
            .reset_backoff(multiplier, longest)
            .reset_jitter(jitter);
        let mut subject = Subject::new(&config);
        subject.core = Core::new((&config).into(), Some(seed));
        subject.open();
        let mut least = reset.as_secs_f64();
        for _ in 0..10 {
            let period = subject.snapshot().retry_after.expect("open").as_secs_f64();
            prop_assert!(period >= least - 1e-6, "{period} of {least}");
            prop_assert!(period <= least * (1.0 + jitter) + 1e-6, "{period} of {least}");
            least = (least * multiplier).min(longest.as_secs_f64());
            subject.wait_until_half_open();
            subject.complete(Outcome::Failure);
        }
    }

    /// Whatever comes when, as many are admitted as the shares of all calls sum up to, and the first.
    #[test]
    fn br_10_after_closing_a_growing_share_is_admitted(
        ramp in 1_u64..1_000, times in prop::collection::vec(0_u64..5 * MILLI, 1..300),
    ) {
        let config = probing(1, 1).ramp(Duration::from_millis(ramp));
        let mut subject = Subject::new(&config);
        subject.open();
        subject.wait_until_half_open();
        subject.complete(Outcome::Success);
        prop_assert_eq!(subject.state(), State::Closed);
        let closed_at = subject.now;
        let (mut shares, mut admitted) = (1.0, 0.0);
        for time in times {
            subject.now += time;
            let share = (subject.now - closed_at) as f64 / (ramp * MILLI) as f64;
            if share >= 1.0 {
                prop_assert!(subject.complete(Outcome::Success), "it is over");
                continue;
            }
            shares += share;
            admitted += if subject.complete(Outcome::Success) { 1.0 } else { 0.0 };
            prop_assert!((shares - 1.0 - 1e-6..=shares + 1e-6).contains(&admitted), "{admitted} of {shares}");
            prop_assert!(admitted >= 1.0, "the first");
        }
    }

    #[test]
    fn br_11_the_state_is_right_without_traffic(config in configs(), steps in steps(), time in tick()) {
        let mut subject = Subject::new(&config);
        for step in steps {
            subject.take(step);
        }
        subject.now += time;
        let (state, before) = (subject.state(), subject.snapshot());
        prop_assert_eq!(before.state, state);
        prop_assert_eq!(subject.snapshot(), before, "to look changes nothing");
        let admitted = subject.call().is_ok();
        match state {
            State::Closed => prop_assert!(admitted),
            State::Open => prop_assert!(!admitted),
            _ => prop_assert_eq!(admitted, before.probes < u64::from(config.half_open_permits)),
        }
        prop_assert_eq!(subject.core.is_half_open(), state == State::HalfOpen);
    }

    #[test]
    fn br_11_what_a_person_says_holds(config in configs(), before in steps(), after in steps()) {
        let mut subject = Subject::new(&config);
        for step in before {
            subject.take(step);
        }
        for (is_open, control) in [(true, Step::ForceOpen), (false, Step::Disable)] {
            subject.take(control);
            let generation = subject.snapshot().generation;
            for step in after.iter().copied() {
                subject.take(step);
                prop_assert_eq!(subject.call().is_err(), is_open);
            }
            subject.take(control);
            prop_assert_eq!(subject.snapshot().generation, generation, "it stays so");
        }
        subject.take(Step::Reset);
        let snapshot = subject.snapshot();
        prop_assert_eq!((snapshot.state, snapshot.failures), (State::Closed, 0));
        // As if it were new, whatever is still under way.
        let mut new = Subject::new(&config);
        new.now = subject.now;
        let old = std::mem::take(&mut subject.running);
        let mut old = old.into_iter();
        for step in after {
            subject.take(step);
            new.take(step);
            if let Some(ticket) = old.next() {
                subject.record(ticket, Outcome::Failure, false);
            }
            prop_assert_eq!(subject.state(), new.state());
            prop_assert_eq!(subject.snapshot().failures, new.snapshot().failures);
        }
    }
}

#[test]
fn br_3_each_default_of_the_requirements_opens_at_its_threshold() {
    let mut subject = Subject::new(&BreakerConfig::default());
    for _ in 0..4 {
        subject.complete(Outcome::Failure);
    }
    assert_eq!(subject.state(), State::Closed);
    subject.now += 60 * 1_000 * MILLI - 1;
    subject.complete(Outcome::Failure);
    assert_eq!(subject.state(), State::Open);
}

#[test]
fn br_10_two_breakers_do_not_probe_together() {
    let period = || {
        let config = probing(1, 1).reset_jitter(0.1);
        let mut subject = Subject::new(&config);
        subject.core = Core::new((&config).into(), None);
        subject.open();
        wait(&subject.snapshot())
    };
    let periods: std::collections::HashSet<_> = (0..20).map(|_| period()).collect();
    assert_eq!(periods.len(), 20);
}

#[test]
fn a_success_reads_no_clock_by_the_default_rule() {
    let subject = Subject::new(&BreakerConfig::default());
    let reads = Cell::new(0);
    let now = || {
        reads.set(reads.get() + 1);
        7
    };
    for _ in 0..100 {
        let (admitted, change) = subject.core.admit(now);
        let ticket = admitted.expect("closed");
        let recorded = subject.core.record(ticket, Outcome::Success, false, now);
        assert_eq!((change, recorded), (None, None));
    }
    assert_eq!(reads.get(), 0);
}
