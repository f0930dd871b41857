//! What opens it.

use super::*;

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
        config in configs(), steps in steps(), late in prop::collection::vec((any::<bool>(), super::super::steps::outcome(), any::<bool>()), 80),
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
