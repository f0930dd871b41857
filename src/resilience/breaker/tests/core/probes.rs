//! Half-open: who is let through, and what that decides.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

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
}
