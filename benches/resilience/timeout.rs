//! Timeouts around what is answered at once.

use std::time::Duration;

use algedonic::resilience::timeout::{TimeoutConfig, TimeoutLayer};
use tower::Layer;
use tower_resilience_timelimiter::TimeLimiterLayer;

use crate::{
    call::Setting::OneThread,
    case::{
        Case, Contender,
        Target::{self, Faster, OverBare},
    },
    inner::Nothing,
};

const PEER: &str = "tower-resilience";
const TOWER: &str = "tower";
const LIMIT: Duration = Duration::from_secs(30);
const TARGETS: &[(crate::call::Setting, Target)] = &[
    (OneThread, OverBare(5.0)),
    (OneThread, Faster(PEER, 20.0)),
    (OneThread, Faster(TOWER, 5.0)),
];

pub(crate) fn cases() -> Vec<Case> {
    let both = [
        ("timeout-attempt", TimeoutConfig::attempt(LIMIT)),
        ("timeout-total", TimeoutConfig::total(LIMIT)),
    ];
    both.map(|(name, config)| Case {
        name,
        contenders: vec![ours(config), theirs(), towers()],
        targets: TARGETS,
    })
    .into()
}

fn ours(config: TimeoutConfig) -> Contender {
    Contender::new("ours", move || {
        let layer = TimeoutLayer::new(config.clone()).expect("good");
        layer.layer(Nothing)
    })
}

fn theirs() -> Contender {
    Contender::new(PEER, || {
        let builder = TimeLimiterLayer::builder().timeout_duration(LIMIT);
        builder.build().layer(Nothing)
    })
}

fn towers() -> Contender {
    Contender::new(TOWER, || {
        tower::timeout::TimeoutLayer::new(LIMIT).layer(Nothing)
    })
}
