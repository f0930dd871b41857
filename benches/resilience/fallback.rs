//! Fallbacks behind what works.

use algedonic::resilience::fallback::{FallbackConfig, FallbackLayer};
use tower::Layer;
use tower_resilience_fallback::FallbackLayer as TheirLayer;

use crate::{
    call::Setting::OneThread,
    case::{
        Case, Contender,
        Target::{Faster, OverBare},
    },
    inner::Nothing,
};

const PEER: &str = "tower-resilience";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "fallback-to-a-function",
            contenders: vec![
                Contender::new("ours", || {
                    let builder = FallbackLayer::builder(FallbackConfig::default());
                    let layer = builder.respond(|_: &&'static str| 7).build();
                    layer.expect("good").layer(Nothing)
                }),
                Contender::new(PEER, || {
                    TheirLayer::<u64, u64, &'static str>::from_error(|_| 7).layer(Nothing)
                }),
            ],
            // The research has no number for it; the peer's is 49 ns there.
            targets: &[(OneThread, OverBare(7.0)), (OneThread, Faster(PEER, 5.0))],
        },
        Case {
            name: "fallback-to-a-service",
            contenders: vec![
                Contender::new("ours", || {
                    let builder = FallbackLayer::builder(FallbackConfig::default());
                    let layer = builder.service(Nothing).build();
                    layer.expect("good").layer(Nothing)
                }),
                Contender::new(PEER, || {
                    TheirLayer::<u64, u64, &'static str>::tower_service(Nothing).layer(Nothing)
                }),
            ],
            targets: &[(OneThread, OverBare(7.0)), (OneThread, Faster(PEER, 5.0))],
        },
    ]
}
