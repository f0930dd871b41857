//! Bulkheads with a slot free, and without.

use std::{
    future::{Pending, pending},
    task::{Context, Poll},
};

use algedonic::resilience::bulkhead::{BulkheadConfig, BulkheadLayer};
use futures_util::FutureExt;
use tower::{Layer, Service, limit::ConcurrencyLimitLayer};
use tower_resilience_bulkhead::BulkheadLayer as TheirLayer;

use crate::{
    call::{
        Setting::{OneThread, TwoWorkers},
        current_thread,
    },
    case::{
        Case, Contender,
        Target::{Faster, OverBare},
    },
    inner::{Answer, Nothing},
};

const PEER: &str = "tower-resilience";
const TOWER: &str = "tower";
const SLOTS: u32 = 100;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "bulkhead",
            contenders: vec![
                Contender::new("ours", || bulkhead(SLOTS).layer(Nothing)),
                Contender::new(PEER, || theirs(SLOTS as usize).layer(Nothing)),
                Contender::new(TOWER, || {
                    ConcurrencyLimitLayer::new(SLOTS as usize).layer(Nothing)
                }),
            ],
            targets: &[
                (OneThread, OverBare(12.0)),
                (OneThread, Faster(PEER, 12.0)),
                // At most 1.1 times as much.
                (OneThread, Faster(TOWER, 0.91)),
                // At most 0.6 times as much.
                (TwoWorkers, Faster(TOWER, 1.67)),
            ],
        },
        Case {
            name: "bulkhead-full",
            contenders: vec![
                Contender::new("ours", || {
                    let layer = bulkhead(1);
                    // For as long as this round, and longer.
                    std::mem::forget(layer.handle().try_checkout().expect("free"));
                    layer.layer(Nothing)
                }),
                Contender::new(PEER, || {
                    let mut service = theirs(1).layer(Hangs);
                    // Its timers ask for one.
                    let runtime = current_thread();
                    let _inside = runtime.enter();
                    // It is ready at once.
                    let _ = service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()));
                    let mut call = service.call(0);
                    assert!((&mut call).now_or_never().is_none(), "it has the slot");
                    std::mem::forget(call);
                    service
                }),
            ],
            // The research has no number for it.
            targets: &[],
        },
    ]
}

fn bulkhead(slots: u32) -> BulkheadLayer {
    let config = BulkheadConfig::default().size(slots).overflow(0).queue(0);
    BulkheadLayer::new(config).expect("good")
}

fn theirs(slots: usize) -> TheirLayer {
    let builder = TheirLayer::builder().max_concurrent_calls(slots);
    builder.reject_when_full().build().expect("good")
}

/// Never answers.
#[derive(Clone, Copy)]
struct Hangs;

impl Service<u64> for Hangs {
    type Response = u64;
    type Error = &'static str;
    type Future = Pending<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        pending()
    }
}
