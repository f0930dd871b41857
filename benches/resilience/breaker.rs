//! Circuit breakers, closed and open.

use std::time::Duration;

use algedonic::resilience::breaker::{BreakerConfig, BreakerLayer, Trip};
use tower::Layer;
use tower_resilience_circuitbreaker::{
    CircuitBreakerConfigBuilder, CircuitBreakerLayer, DefaultClassifier, SlidingWindowType,
};

use crate::{
    call::Setting::{OneThread, TwoThreads, TwoWorkers},
    case::{
        Case, Contender,
        Target::{Faster, OverBare, TimesAlone},
    },
    inner::Nothing,
};

const PEER: &str = "tower-resilience";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "breaker-failures-in-60s",
            contenders: vec![
                ours(Trip::default()),
                theirs(|| CircuitBreakerLayer::builder().consecutive_failures(5)),
            ],
            targets: &[
                (OneThread, OverBare(7.0)),
                (OneThread, Faster(PEER, 20.0)),
                (TwoThreads, TimesAlone(1.3)),
                (TwoWorkers, OverBare(5.0)),
                (TwoWorkers, Faster(PEER, 80.0)),
            ],
        },
        Case {
            name: "breaker-5-in-a-row",
            contenders: vec![
                ours(Trip::Consecutive {
                    failure_threshold: 5,
                }),
                theirs(|| CircuitBreakerLayer::builder().consecutive_failures(5)),
            ],
            targets: &[
                (OneThread, OverBare(7.0)),
                (OneThread, Faster(PEER, 20.0)),
                (TwoThreads, TimesAlone(1.3)),
                (TwoWorkers, OverBare(5.0)),
                (TwoWorkers, Faster(PEER, 80.0)),
            ],
        },
        Case {
            name: "breaker-rate-of-100-calls",
            contenders: vec![
                ours(Trip::RateOfCalls {
                    calls: 100,
                    failure_rate: 0.5,
                    minimum_calls: 100,
                    slow: None,
                }),
                theirs(|| CircuitBreakerLayer::builder().sliding_window_size(100)),
            ],
            targets: &[
                (OneThread, OverBare(12.0)),
                (OneThread, Faster(PEER, 12.0)),
                (TwoWorkers, Faster(PEER, 15.0)),
            ],
        },
        Case {
            name: "breaker-rate-in-60s",
            contenders: vec![
                in_window(Duration::from_secs(60)),
                // A second of its records would not fit into a round.
                their_window(Duration::from_millis(1)),
            ],
            targets: &[(OneThread, OverBare(45.0)), (OneThread, Faster(PEER, 20.0))],
        },
        Case {
            name: "breaker-rate-in-10ms",
            contenders: vec![
                in_window(Duration::from_millis(10)),
                their_window(Duration::from_millis(10)),
            ],
            targets: &[(TwoWorkers, Faster(PEER, 80.0))],
        },
        Case {
            name: "breaker-open",
            contenders: vec![
                Contender::new("ours", || {
                    let layer = BreakerLayer::new(BreakerConfig::default()).expect("good");
                    for _ in 0..5 {
                        let _ = layer.handle().call_blocking(|| Err::<(), _>("lost"));
                    }
                    layer.layer(Nothing)
                }),
                Contender::new(PEER, || {
                    let layer = CircuitBreakerLayer::builder().build().expect("good");
                    let service = layer.layer(Nothing);
                    futures_util::FutureExt::now_or_never(service.force_open()).expect("free");
                    service
                }),
            ],
            targets: &[
                (OneThread, OverBare(35.0)),
                (OneThread, Faster(PEER, 3.0)),
                (TwoThreads, TimesAlone(1.3)),
            ],
        },
    ]
}

fn ours(trip: Trip) -> Contender {
    Contender::new("ours", move || {
        let config = BreakerConfig::default().trip(trip.clone());
        BreakerLayer::new(config).expect("good").layer(Nothing)
    })
}

fn in_window(window: Duration) -> Contender {
    ours(Trip::RateInWindow {
        window,
        failure_rate: 0.5,
        minimum_calls: 100,
        minimum_failures: 1,
        slow: None,
    })
}

type Theirs = CircuitBreakerConfigBuilder<DefaultClassifier>;

fn theirs(configure: fn() -> Theirs) -> Contender {
    Contender::new(PEER, move || {
        configure().build().expect("good").layer(Nothing)
    })
}

fn their_window(window: Duration) -> Contender {
    Contender::new(PEER, move || {
        let builder = CircuitBreakerLayer::builder()
            .sliding_window_type(SlidingWindowType::TimeBased)
            .sliding_window_duration(window)
            .minimum_number_of_calls(100);
        builder.build().expect("good").layer(Nothing)
    })
}
