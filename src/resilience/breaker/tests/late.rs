use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::advance;
use tower::{Layer, Service, ServiceExt};

use crate::resilience::{
    breaker::{Breaker, BreakerConfig, BreakerHandle, BreakerLayer, Error, State, Trip},
    probe::{Answer, Ask, Dependency, Does, Probe},
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

/// An hour after it has closed, or while it is half-open: nobody has asked the service inside, so that it cannot be called;
/// but who calls again at once is let through, and nothing is held against anybody.
#[tokio::test(start_paused = true)]
async fn who_was_ready_in_an_outage_is_told_to_come_again_when_it_is_over() {
    for closes in [true, false] {
        let mut scene = Scene::new();
        if closes {
            scene.breaker.reset();
        } else {
            scene.breaker.probe();
        }
        advance(3_600 * SECOND).await;
        let Err(Error::Open(rejection)) = scene.call(Does::Wait).await else {
            panic!("nobody has asked the service inside");
        };
        assert_eq!(rejection.retry_after(), Some(Duration::ZERO));
        assert_eq!(scene.breaker.status().rejected, 0);
        assert_eq!(scene.dependency.asked(), 0);
        let again = scene.service.ready().await.expect("ready");
        let answer = again.call(Ask::new(2, Does::Answer(Answer::Works)));
        assert_eq!(answer.await, Ok(2));
        drop(scene.service);
        scene.dependency.assert_clean();
    }
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
