//! How long it stays open, and what a person says.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

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

/// What somebody knows from elsewhere: it probes before its time, and closes; what was forced stays.
#[test]
fn it_is_told_of_the_dependency() {
    let mut subject = Subject::new(&probing(1, 2));
    assert_eq!(subject.core.probe(subject.now), None, "it is closed");
    assert_eq!(subject.core.close(subject.now), None, "it is closed");
    subject.open();
    let probing = subject.core.probe(subject.now).expect("a change");
    assert_eq!((probing.from, probing.to), (State::Open, State::HalfOpen));
    assert!(subject.core.has_tripped());
    assert!(subject.complete(Outcome::Success));
    assert_eq!(subject.core.probe(subject.now), None, "it does so already");
    assert!(subject.complete(Outcome::Failure));
    // Open for the whole period again.
    assert_eq!(subject.state(), State::Open);
    assert!(subject.call().is_err());
    let closed = subject.core.close(subject.now).expect("a change");
    assert_eq!((closed.from, closed.to), (State::Open, State::Closed));
    assert!(!subject.core.has_tripped());
    subject.open();
    let _ = subject.core.probe(subject.now);
    let closed = subject.core.close(subject.now).expect("a change");
    assert_eq!((closed.from, closed.to), (State::HalfOpen, State::Closed));
    let _ = subject.core.force_open(subject.now);
    assert_eq!(subject.core.probe(subject.now), None);
    assert_eq!(subject.core.close(subject.now), None);
    assert_eq!(subject.state(), State::ForcedOpen);
}
