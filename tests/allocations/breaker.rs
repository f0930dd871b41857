use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use algedonic::resilience::{
    Notice,
    breaker::{BreakerConfig, BreakerLayer, OnCancel, Slow, State, Trip},
};
use tower::Layer;

use crate::{
    Case,
    inner::{Answer, AtOnce, Never, call},
};

const FAILED: Answer = Err("lost");

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![refused(), half_open(), dropped(), function()];
    for (name, trip) in trips() {
        cases.extend([outcomes(name, &trip), opening(name, trip)]);
    }
    cases
}

fn trips() -> Vec<(&'static str, Trip)> {
    let slow = Slow {
        duration: Duration::from_secs(1),
        rate: 1.0,
    };
    let window = Duration::from_millis(10);
    vec![
        (
            "consecutive",
            Trip::Consecutive {
                failure_threshold: 3,
            },
        ),
        (
            "failures",
            Trip::Failures {
                failure_threshold: 3,
                window: Duration::from_secs(60),
            },
        ),
        (
            "rate of calls",
            Trip::RateOfCalls {
                calls: 100,
                failure_rate: 0.9,
                minimum_calls: 3,
                slow: Some(slow),
            },
        ),
        (
            "rate in a window",
            Trip::RateInWindow {
                window,
                failure_rate: 0.9,
                minimum_calls: 3,
                minimum_failures: 3,
                slow: Some(slow),
            },
        ),
    ]
}

/// Admitted calls, some of which fail; it stays closed.
fn outcomes(name: &str, trip: &Trip) -> Case {
    let layer = BreakerLayer::new(BreakerConfig::default().trip(trip.clone())).expect("good");
    let handle = layer.handle();
    let mut service = layer.layer(AtOnce);
    let mut number = 0;
    Case::new(format!("breaker, {name}: admitted"), move || {
        number += 1;
        let answer = if number % 4 == 0 { FAILED } else { Ok(()) };
        assert!(call(&mut service, answer).is_some());
        if number % 8 == 0 {
            handle.reset();
        }
        assert_eq!(handle.state(), State::Closed);
    })
}

/// Through all states, with an observer, and calls that are rejected meanwhile.
fn opening(name: &str, trip: Trip) -> Case {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let config = BreakerConfig::default().trip(trip);
    let layer = BreakerLayer::builder(config)
        .observer(|notice: Notice| {
            TOLD.fetch_add(notice.count, Ordering::Relaxed);
        })
        .build()
        .expect("good");
    let handle = layer.handle();
    let mut service = layer.layer(AtOnce);
    Case::new(format!("breaker, {name}: opened and reset"), move || {
        while handle.state() == State::Closed {
            assert!(call(&mut service, FAILED).is_some());
        }
        let rejected = call(&mut service, Ok(())).expect("at once");
        assert!(rejected.is_err_and(|error| error.is_open()));
        let before = TOLD.load(Ordering::Relaxed);
        handle.reset();
        assert!(TOLD.load(Ordering::Relaxed) > before);
    })
}

fn refused() -> Case {
    let layer = BreakerLayer::new(BreakerConfig::default()).expect("good");
    layer.handle().force_open();
    let mut service = layer.layer(AtOnce);
    Case::new("breaker: rejected", move || {
        let rejected = call(&mut service, Ok(())).expect("at once");
        assert!(rejected.is_err_and(|error| error.is_open()));
    })
}

/// Probes: one that fails, then some that close it.
fn half_open() -> Case {
    let config = BreakerConfig::default()
        .trip(Trip::Consecutive {
            failure_threshold: 1,
        })
        .reset_timeout(Duration::from_nanos(1))
        .ramp(Duration::from_nanos(1));
    let layer = BreakerLayer::new(config).expect("good");
    let handle = layer.handle();
    let mut service = layer.layer(AtOnce);
    Case::new("breaker: half-open", move || {
        for answer in [FAILED, FAILED, Ok(()), Ok(()), Ok(())] {
            while handle.state() == State::Open {}
            assert!(call(&mut service, answer).is_some());
        }
        assert_eq!(handle.state(), State::Closed);
    })
}

fn dropped() -> Case {
    let config = BreakerConfig::default()
        .trip(Trip::Consecutive {
            failure_threshold: 1_000,
        })
        .on_cancel(OnCancel::FailureIfOlderThan(Duration::from_nanos(1)));
    let layer = BreakerLayer::new(config).expect("good");
    let handle = layer.handle();
    let mut service = layer.layer(Never);
    Case::new("breaker: dropped", move || {
        assert!(call(&mut service, Ok(())).is_none());
        if handle.status().failure_count > 900 {
            handle.reset();
        }
    })
}

/// What is no service.
fn function() -> Case {
    let handle = BreakerLayer::new(BreakerConfig::default())
        .expect("good")
        .handle();
    Case::new("breaker: a function", move || {
        assert_eq!(handle.call_blocking(|| Ok::<_, &str>(7)), Ok(7));
    })
}
