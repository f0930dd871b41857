use std::time::Duration;

use algedonic::{
    Bus, ErrorKind, LinkState, Mirror, Remote,
    memory::Broker,
    resilience::{breaker::BreakerConfig, retry::RetryConfig},
};
use futures_util::future::join_all;

use super::flaky::{CONFIRM, Flaky, REFUSE};
use crate::{
    events::Tick,
    mirror::{bus, link_is},
    patience::{until, within},
};

#[tokio::test]
async fn what_cannot_work_is_told_when_the_bus_is_built() {
    let broken: [fn(Mirror) -> Mirror; 4] = [
        |mirror| mirror.breaker(BreakerConfig::amqp().success_threshold(0)),
        |mirror| mirror.retry(RetryConfig::default().multiplier(0.5)),
        |mirror| mirror.in_flight(0),
        |mirror| mirror.attempt_timeout(Duration::ZERO),
    ];
    for (broken, field) in broken
        .into_iter()
        .zip(["success", "multiplier", "size", "limit"])
    {
        let mirror = broken(Mirror::new(Broker::new().transport("here")));
        let error = Bus::builder().mirror(mirror).build().expect_err("broken");
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains(field), "{error}");
    }
}

/// Requirement 1.14: the pool is inside, and what waits for it waits in its lane.
#[tokio::test]
async fn no_more_are_in_flight_than_the_bulkhead_has_slots() {
    let broker = Broker::new();
    let _there = bus(&broker, "there");
    let mirror = Mirror::new(broker.transport("here"))
        .in_flight(3)
        .event::<Tick>();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    link_is(&here, LinkState::Up).await;
    broker.hold_confirms();
    let receipts = join_all((0..20).map(|number| here.publish(Tick::new(number)))).await;
    until("the slots to be taken", || {
        here.health()
            .mirror
            .is_some_and(|mirror| mirror.in_flight == 3)
    })
    .await;
    let bulkhead = here.mirror_stack().expect("there").bulkhead().clone();
    assert_eq!((bulkhead.status().running, bulkhead.config().size), (3, 3));
    broker.release_confirms();
    for receipt in receipts {
        let remote = within("the outcome", receipt.expect("open").remote()).await;
        assert!(remote.is_confirmed(), "{remote}");
    }
    assert_eq!(bulkhead.status().rejected, 0);
    assert_eq!(bulkhead.status().running, 0);
}

/// The user's own stack is all there is.
#[tokio::test(start_paused = true)]
async fn a_bare_mirror_tries_once_and_has_no_breaker() {
    let transport = Flaky::new([REFUSE]);
    let mirror = Mirror::new(transport.clone()).outbound::<Tick>().bare();
    let here = Bus::builder().mirror(mirror).build().expect("good");
    assert!(here.mirror_stack().is_none());
    for number in 0..10 {
        let receipt = here.publish(Tick::new(number)).await.expect("open");
        let remote = within("the outcome", receipt.remote()).await;
        assert!(remote.is_local_only(), "{remote}");
    }
    assert_eq!(transport.calls(), 10);
    assert_eq!(here.counts().signals, 0);
}

/// Layers of the user's are around the default ones.
#[tokio::test(start_paused = true)]
async fn a_layer_is_around_all_attempts() {
    let transport = Flaky::new([REFUSE, REFUSE, CONFIRM]);
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&calls);
    let layer = tower::util::MapRequestLayer::new(move |message: algedonic::transport::Message| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        message
    });
    let mirror = Mirror::new(transport.clone())
        .outbound::<Tick>()
        .layer(layer);
    let here = Bus::builder().mirror(mirror).build().expect("good");
    let receipt = here.publish(Tick::new(0)).await.expect("open");
    assert!(matches!(receipt.remote().await, Remote::Confirmed));
    assert_eq!(transport.calls(), 3);
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(here.mirror_stack().is_some());
}
