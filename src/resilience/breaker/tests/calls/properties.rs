//! Whatever callers and services do.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// BR-8 besides: calls that are dropped, that panic and that are never polled count as the model has it, once each.
    #[test]
    fn br_1_the_layer_and_the_model_agree(config in configs(), acts in prop::collection::vec(act(), 1..60)) {
        let trip_is_slow = config.slow_from().is_some();
        prop_assume!(!trip_is_slow);
        quietly(|| paused().block_on(async {
            let subject = Subject::new(&config);
            let mut pair = Pair::new(config, subject);
            for act in acts {
                pair.act(act).await;
                pair.compare(act);
            }
        }));
    }

    /// One of two observers panics whenever it likes: all goes on as without it, and the other hears of every state.
    #[test]
    fn he_5_an_observer_that_panics_changes_nothing(
        config in configs(), acts in prop::collection::vec(act(), 1..60), panics in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let trip_is_slow = config.slow_from().is_some();
        prop_assume!(!trip_is_slow);
        quietly(|| paused().block_on(async {
            let told = AtomicUsize::new(0);
            let subject = Subject::heard_by(&config, move |_: Notice| {
                let told = told.fetch_add(1, Ordering::Relaxed);
                assert!(!panics[told % panics.len()], "planted");
            });
            let mut pair = Pair::new(config, subject);
            for act in acts {
                pair.act(act).await;
                pair.compare(act);
            }
        }));
    }

    /// BR-8, by itself: n calls that hang and are dropped.
    #[test]
    fn br_8_a_dropped_call_counts_by_its_age(age in 0_u64..100, least in 1_u64..100, threshold in 1_u32..5) {
        paused().block_on(async {
            let config = BreakerConfig::default()
                .trip(Trip::Consecutive { failure_threshold: threshold })
                .on_cancel(OnCancel::FailureIfOlderThan(Duration::from_millis(least)));
            let mut subject = Subject::new(&config);
            let mut calls = Vec::new();
            for _ in 0..threshold {
                let (sender, receiver) = oneshot::channel();
                let mut response = subject.call(Request::At(receiver));
                prop_assert!((&mut response).now_or_never().is_none());
                calls.push((response, sender));
            }
            advance(Duration::from_millis(age)).await;
            drop(calls);
            let opened = subject.handle.state() == State::Open;
            prop_assert_eq!(opened, age >= least);
            Ok(())
        })?;
    }

    #[test]
    fn br_9_paused_time_is_exact(nanos in 1_u64..1 << 50) {
        paused().block_on(async {
            let reset = Duration::from_nanos(nanos);
            let config = BreakerConfig::default()
                .trip(Trip::Consecutive { failure_threshold: 1 })
                .reset_timeout(reset)
                .reset_jitter(0.0);
            let mut subject = Subject::new(&config);
            prop_assert!(subject.now(Outcome::Failure).is_err());
            advance(Duration::from_nanos(nanos - 1)).await;
            prop_assert!(subject.now(Outcome::Success).is_err_and(|error| error.is_open()));
            advance(Duration::from_nanos(1)).await;
            prop_assert_eq!(subject.now(Outcome::Success), Ok(()));
            Ok(())
        })?;
    }

    /// HE-4, in place.
    #[test]
    fn he_4_rejections_are_told_once_a_second_and_none_is_forgotten(times in prop::collection::vec(0_u64..700, 1..50)) {
        paused().block_on(async {
            let mut subject = Subject::new(&BreakerConfig::default());
            subject.handle.force_open();
            for millis in &times {
                advance(Duration::from_millis(*millis)).await;
                prop_assert!(subject.now(Outcome::Success).is_err());
            }
            let told = subject.notices.lock().expect("no panic").len() as u64 - 1;
            prop_assert!(told <= times.iter().sum::<u64>() / 1_000 + 1);
            // Another one, a second later, tells of those that were left.
            advance(Duration::from_secs(1)).await;
            prop_assert!(subject.now(Outcome::Success).is_err());
            prop_assert_eq!(subject.rejections(), times.len() as u64 + 1);
            Ok(())
        })?;
    }
}
