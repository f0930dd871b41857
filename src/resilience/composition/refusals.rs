//! Layers in the order that is recommended: what one of them refuses is not held against the dependency.

use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::resilience::{
    Classify, Kind,
    breaker::{BreakerConfig, BreakerLayer, State, Trip},
    bulkhead::{BulkheadConfig, BulkheadLayer},
    rate_limit::{RateLimitConfig, RateLimitLayer},
    retry::{Budget, Jitter, RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};

const MILLI: Duration = Duration::from_millis(1);

/// What the dependency does with a request, each time.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer,
    Fail,
    Hang,
}

fn does() -> impl Strategy<Value = Does> {
    prop_oneof![Just(Does::Answer), Just(Does::Fail), Just(Does::Hang)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Neither the breaker nor the retry takes what the bulkhead or the rate limit refuses for a failure.
    #[test]
    fn co_1_a_local_rejection_is_no_failure_of_the_dependency(
        calls in prop::collection::vec((does(), 0..40_u32), 1..30),
        slots in 1..4_u32,
        burst in 1..40_u32,
        threshold in prop_oneof![Just(2_000_u32), 1..6_u32],
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let failed = Arc::new(AtomicU64::new(0));
            let counting = Arc::clone(&failed);
            let dependency = service_fn(move |does: Does| {
                counting.fetch_add(u64::from(!matches!(does, Does::Answer)), Ordering::Relaxed);
                async move {
                    match does {
                        Does::Answer => Ok(()),
                        Does::Fail => Err(io::Error::other("down")),
                        Does::Hang => pending().await,
                    }
                }
            });
            let trip = Trip::Consecutive { failure_threshold: threshold };
            let breaker = BreakerLayer::new(BreakerConfig::default().trip(trip)).expect("valid");
            let config = RateLimitConfig::default().limit(1).period(1000 * MILLI).burst(burst);
            let limit = RateLimitLayer::new(config.max_wait(Duration::ZERO)).expect("valid");
            let config = BulkheadConfig::default().size(slots).overflow(0).queue(0);
            let bulkhead = BulkheadLayer::new(config).expect("valid");
            let config = RetryConfig::default().max_retries(2).jitter(Jitter::None);
            let retry = RetryLayer::new(config.budget(Budget::Unlimited)).expect("valid");
            let (breaking, limiting, filling) =
                (breaker.handle(), limit.handle(), bulkhead.handle());
            let stack = ServiceBuilder::new()
                .layer(retry)
                .layer(breaker)
                .layer(limit)
                .layer(bulkhead)
                .layer(TimeoutLayer::new(TimeoutConfig::attempt(20 * MILLI)).expect("valid"))
                .service(dependency);
            let ends = join_all(calls.iter().map(|(does, at)| {
                let stack = stack.clone();
                async move {
                    tokio::time::sleep(*at * MILLI).await;
                    stack.oneshot(*does).await
                }
            })).await;
            // Only what the dependency did, or did not do in time, counts.
            prop_assert_eq!(breaking.status().failed, failed.load(Ordering::Relaxed));
            if threshold == 2_000 {
                prop_assert_eq!(breaking.state(), State::Closed);
            }
            // And what a layer refused ended its call: nobody has tried it again.
            let kinds = ends.iter().filter_map(|end| end.as_ref().err()).map(|error| error.class().kind());
            let refused = kinds.filter(|kind| *kind == Kind::LocalRejection).count() as u64;
            let full = filling.status();
            let refusals = full.rejected + limiting.status().rejected + breaking.status().rejected;
            prop_assert_eq!(refused, refusals);
            prop_assert_eq!((full.running, full.waiting), (0, 0));
            Ok(())
        })?;
    }
}
