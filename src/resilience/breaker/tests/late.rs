use std::{
    future::Ready,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::advance;
use tower::{Layer, Service};

use crate::resilience::{
    Rejection,
    breaker::{
        Breaker, BreakerConfig, BreakerHandle, BreakerLayer, ByKind, Error, ResponseFuture, State,
        Trip, future::Guard,
    },
    probe::{Answer, Ask, Dependency, Does, Probe, poll},
};

const SECOND: Duration = Duration::from_secs(1);

/// A service that became ready during an outage, and what is around it.
struct Scene {
    dependency: Dependency,
    breaker: BreakerHandle,
    service: Breaker<Probe>,
}

impl Scene {
    fn new() -> Self {
        let config = BreakerConfig::default()
            .trip(Trip::Consecutive {
                failure_threshold: 1,
            })
            .success_threshold(1)
            .half_open_permits(1)
            .reset_timeout(60 * SECOND)
            .reset_jitter(0.0);
        let layer = BreakerLayer::new(config).expect("good");
        let dependency = Dependency::with_places(1);
        let mut scene = Self {
            breaker: layer.handle(),
            service: layer.layer(dependency.service()),
            dependency,
        };
        scene.fail();
        let mut context = Context::from_waker(Waker::noop());
        let ready = Service::<Ask>::poll_ready(&mut scene.service, &mut context);
        assert_eq!(ready, Poll::Ready(Ok(())));
        assert_eq!(scene.dependency.asked(), 0);
        scene
    }

    fn fail(&self) {
        let failed = self.breaker.call_blocking(|| Err::<(), _>("lost"));
        assert_eq!(failed, Err(Error::Inner("lost")));
        assert_eq!(self.breaker.state(), State::Open);
    }

    fn call(&mut self, does: Does) -> <Breaker<Probe> as Service<Ask>>::Future {
        self.service.call(Ask::new(1, does))
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_ready_in_an_outage_is_let_through_when_it_is_over() {
    let mut scene = Scene::new();
    scene.breaker.reset();
    advance(3_600 * SECOND).await;
    scene.dependency.set_places(0);
    let mut response = pin!(scene.call(Does::Answer(Answer::Works)));
    assert!(
        poll(response.as_mut()).is_pending(),
        "not before it is ready"
    );
    scene.dependency.set_places(1);
    assert_eq!(response.await, Ok(1));
    assert_eq!(scene.breaker.status().rejected, 0);
    drop(scene.service);
    scene.dependency.assert_clean();
}

/// Its outcome counts, and so does that it panics.
#[tokio::test(start_paused = true)]
async fn who_is_let_through_late_is_a_call_like_any_other() {
    for answer in [Answer::FAILS, Answer::Panics] {
        let mut scene = Scene::new();
        scene.breaker.reset();
        let response = scene.call(Does::Answer(answer));
        let panicked = tokio::spawn(response).await.is_err();
        assert_eq!(panicked, answer == Answer::Panics);
        assert_eq!(scene.breaker.state(), State::Open);
    }
}

/// While half-open it is a probe, which gives its place back.
#[tokio::test(start_paused = true)]
async fn who_is_let_through_late_may_be_a_probe() {
    let mut scene = Scene::new();
    scene.breaker.probe();
    scene.dependency.set_places(0);
    let mut response = Box::pin(scene.call(Does::Wait));
    assert!(poll(response.as_mut()).is_pending());
    assert_eq!(scene.breaker.status().probes, 1);
    drop(response);
    assert_eq!(scene.breaker.status().probes, 0);
    drop(scene.service);
    scene.dependency.assert_clean();
}

/// It opened again meanwhile.
#[tokio::test(start_paused = true)]
async fn who_was_ready_in_one_outage_hears_of_the_next() {
    let mut scene = Scene::new();
    advance(3_600 * SECOND).await;
    scene.breaker.reset();
    scene.fail();
    advance(20 * SECOND).await;
    let Err(Error::Open(rejection)) = scene.call(Does::Wait).await else {
        panic!("it is open");
    };
    assert_eq!(rejection.retry_after(), Some(40 * SECOND));
    assert_eq!(scene.breaker.status().rejected, 1);
    assert_eq!(scene.dependency.asked(), 0);
}

/// What callers move, and what is moved by layers around it.
#[test]
fn a_response_is_no_larger_for_those_that_are_late() {
    type Call = Ready<Result<u64, &'static str>>;
    #[expect(dead_code, reason = "measured")]
    enum Without {
        Admitted(Call, Guard<ByKind>),
        Rejected(Rejection),
    }
    assert_eq!(
        size_of::<ResponseFuture<Call, ByKind, [u64; 100]>>(),
        size_of::<Without>()
    );
}
