use std::time::Duration;

use algedonic::resilience::breaker::{BreakerConfig, BreakerLayer, OnCancel, Slow, Trip};
use allocation_counter::measure;
use proptest::prelude::*;
use tower::Layer;

use crate::inner::{AtOnce, Never, call};

#[derive(Clone, Copy, Debug)]
enum Act {
    Drop,
    Fail,
    ForceOpen,
    Probe,
    Reset,
    Succeed,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Drop),
        8 => Just(Act::Fail),
        1 => Just(Act::ForceOpen),
        2 => Just(Act::Probe),
        1 => Just(Act::Reset),
        8 => Just(Act::Succeed),
    ]
}

fn trip() -> impl Strategy<Value = Trip> {
    let slow = prop::option::of((0_u64..2).prop_map(|nanos| Slow {
        duration: Duration::from_nanos(1 + nanos * 1_000_000_000),
        rate: 0.5,
    }));
    let window = (10_u64..100).prop_map(Duration::from_millis);
    prop_oneof![
        (1_u32..6).prop_map(|failure_threshold| Trip::Consecutive { failure_threshold }),
        (1_u32..6, window.clone()).prop_map(|(failure_threshold, window)| Trip::Failures {
            failure_threshold,
            window,
        }),
        (1_u32..40, slow.clone()).prop_map(|(calls, slow)| Trip::RateOfCalls {
            calls,
            failure_rate: 0.5,
            minimum_calls: calls,
            slow,
        }),
        (window, 1_u32..6, slow).prop_map(|(window, minimum_calls, slow)| Trip::RateInWindow {
            window,
            failure_rate: 0.5,
            minimum_calls,
            minimum_failures: 1,
            slow,
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Once it is made, its memory is what it will ever be.
    #[test]
    fn br_12_no_traffic_allocates(
        trip in trip(),
        permits in 1_u32..4,
        ramp in prop::option::of(1_u64..1_000),
        acts in prop::collection::vec(act(), 1..100),
    ) {
        let mut config = BreakerConfig::default()
            .trip(trip)
            .half_open_permits(permits)
            .success_threshold(2)
            .reset_timeout(Duration::from_micros(1))
            .on_cancel(OnCancel::Failure);
        config.ramp = ramp.map(Duration::from_nanos);
        let layer = BreakerLayer::builder(config).count_calls().build().expect("good");
        let (mut answers, mut hangs, breaker) = (layer.layer(AtOnce), layer.layer(Never), layer.handle());
        let act = |act| match act {
            Act::Drop => drop(call(&mut hangs, Ok(()))),
            Act::Fail => drop(call(&mut answers, Err("lost"))),
            Act::ForceOpen => breaker.force_open(),
            Act::Probe => breaker.probe(),
            Act::Reset => breaker.reset(),
            Act::Succeed => drop(call(&mut answers, Ok(()))),
        };
        let measured = measure(|| acts.iter().copied().for_each(act));
        prop_assert_eq!(measured.count_total, 0);
    }
}
