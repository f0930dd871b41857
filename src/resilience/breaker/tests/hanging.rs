use std::{future::pending, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tokio::time::{advance, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::resilience::{
    breaker::{BreakerConfig, BreakerHandle, BreakerLayer, State},
    timeout::{TimeoutConfig, TimeoutLayer},
};

const SECOND: Duration = Duration::from_secs(1);

/// A service that never answers, behind a breaker.
fn hangs(
    config: BreakerConfig,
) -> (
    BreakerHandle,
    impl Service<(), Response = (), Error: std::fmt::Debug, Future: Unpin> + Clone,
) {
    let layer = BreakerLayer::new(config).expect("good");
    let service = service_fn(|()| Box::pin(pending::<Result<(), &'static str>>()));
    (layer.handle(), layer.layer(service))
}

/// By the default, and that of each name, with the timeouts that an application may have around it.
#[tokio::test(start_paused = true)]
async fn what_hangs_opens_a_breaker_whoever_ends_its_calls() {
    for limit in [SECOND, 5 * SECOND] {
        let (breaker, service) = hangs(BreakerConfig::default());
        for _ in 0..5 {
            assert_eq!(breaker.state(), State::Closed);
            timeout(limit, service.clone().oneshot(()))
                .await
                .expect_err("it hangs");
        }
        assert_eq!(breaker.state(), State::Open, "a timeout of {limit:?}");

        let (breaker, service) = hangs(BreakerConfig::default());
        for config in [TimeoutConfig::attempt(limit), TimeoutConfig::total(limit)] {
            let around = TimeoutLayer::new(config).expect("good");
            let calls = (0..3).map(|_| around.layer(service.clone()).oneshot(()));
            for late in join_all(calls).await {
                assert!(late.expect_err("it hangs").is_elapsed());
            }
        }
        assert_eq!(breaker.state(), State::Open, "a layer of {limit:?}");
    }
    // With the time that requirement 1.08 gives a call.
    let (breaker, service) = hangs(BreakerConfig::llm_api());
    let calls = (0..3).map(|_| timeout(30 * SECOND, service.clone().oneshot(())));
    for late in join_all(calls).await {
        late.expect_err("it hangs");
    }
    assert_eq!(breaker.state(), State::Open);
}

/// Such as those that lose a race, or whose users go away.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_soon_says_nothing() {
    for (config, patience) in [
        (BreakerConfig::default(), SECOND / 4),
        (BreakerConfig::llm_api(), 10 * SECOND),
    ] {
        let (breaker, mut service) = hangs(config);
        for _ in 0..100 {
            let mut call = service.ready().await.expect("closed").call(());
            drop(service.ready().await.expect("closed").call(()));
            assert!((&mut call).now_or_never().is_none());
            advance(patience).await;
            drop(call);
        }
        let status = breaker.status();
        assert_eq!((status.state, status.failed), (State::Closed, 0));
    }
}
