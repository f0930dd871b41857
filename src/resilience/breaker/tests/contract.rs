//! What a tower service promises and expects, by the probes of tower-resilience, which do not know how a breaker is
//! written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_resilience_core::testing::{
    ControlledHandle, ControlledService, ProbeHandle, ServiceProbe,
};

use super::steps::{CASES, MILLI, configs, outcome, tick};
use crate::resilience::breaker::{
    Breaker, BreakerConfig, BreakerHandle, BreakerLayer, Error, Outcome, ResponseFuture, State,
    Trip,
};

/// What a call is to end as.
type Wanted = Outcome;
type Inner = ServiceProbe<ConcurrencyLimit<ControlledService>>;
type Classifier =
    fn(Result<&Wanted, &tower_resilience_core::testing::ControlledServiceClosed>) -> Outcome;
type Subject = Breaker<Inner, Classifier>;

/// Under the breaker a probe that keeps books, then a limit that reserves a place when it is ready, then a
/// service that answers when it is told to.
struct World {
    service: Subject,
    breaker: BreakerHandle,
    probe: ProbeHandle,
    control: ControlledHandle,
}

const LIMIT: usize = 3;

impl World {
    fn new(config: &BreakerConfig) -> Self {
        let (controlled, control) = ControlledService::new(true);
        let probe = ServiceProbe::new(ConcurrencyLimit::new(controlled, LIMIT));
        let by_wish: Classifier = |result| result.map_or(Outcome::Failure, |wanted| *wanted);
        let layer = BreakerLayer::builder(config.clone())
            .classifier(by_wish)
            .build()
            .expect("good");
        Self {
            breaker: layer.handle(),
            probe: probe.handle(),
            service: layer.layer(probe),
            control,
        }
    }

    /// One that shares the place of the limit, made when all is done: it has as many places as ever.
    fn assert_nothing_is_held(&self) {
        let mut services: Vec<_> = (0..LIMIT).map(|_| self.service.get_ref().clone()).collect();
        for service in &mut services {
            let ready = ServiceExt::<Wanted>::ready(service).now_or_never();
            assert!(
                ready.is_some_and(|ready| ready.is_ok()),
                "a place is still held"
            );
        }
    }
}

/// Counts its calls.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

fn poll_ready(service: &mut Subject) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    match Service::<Wanted>::poll_ready(service, &mut context) {
        Poll::Ready(ready) => {
            ready.expect("no error of readiness");
            true
        }
        Poll::Pending => false,
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// One of the services is cloned, in the place of another.
    Clone(usize, usize),
    /// One of them is asked whether it is ready, any number of times.
    PollReady(usize),
    /// One of them is called, if it is ready, and the response polled once.
    Call(usize, Wanted),
    /// As many responses as this are let go on.
    Allow(usize),
    /// A response is dropped.
    Drop(usize),
    Tick(u64),
    ForceOpen,
    Reset,
}

fn act() -> impl Strategy<Value = Act> {
    let number = any::<usize>;
    prop_oneof![
        2 => (number(), number()).prop_map(|(from, to)| Act::Clone(from, to)),
        6 => number().prop_map(Act::PollReady),
        8 => (number(), outcome()).prop_map(|(service, wanted)| Act::Call(service, wanted)),
        4 => (0_usize..4).prop_map(Act::Allow),
        3 => number().prop_map(Act::Drop),
        3 => tick().prop_map(Act::Tick),
        1 => Just(Act::ForceOpen),
        1 => Just(Act::Reset),
    ]
}

type Response = ResponseFuture<<Inner as Service<Wanted>>::Future, Classifier>;

/// Some clones of one service, and their responses.
struct Crowd {
    world: World,
    services: Vec<Subject>,
    ready: Vec<bool>,
    responses: Vec<Response>,
}

impl Crowd {
    fn new(config: &BreakerConfig) -> Self {
        let world = World::new(config);
        let services = vec![world.service.clone(); 4];
        Self {
            world,
            ready: vec![false; services.len()],
            services,
            responses: Vec::new(),
        }
    }

    async fn act(&mut self, act: Act) {
        let count = self.services.len();
        match act {
            Act::Clone(from, to) => {
                self.services[to % count] = self.services[from % count].clone();
                self.ready[to % count] = false;
            }
            Act::PollReady(number) => self.poll_ready(number % count),
            Act::Call(number, wanted) => {
                let number = number % count;
                self.poll_ready(number);
                if std::mem::take(&mut self.ready[number]) {
                    let mut response = self.services[number].call(wanted);
                    if (&mut response).now_or_never().is_none() {
                        self.responses.push(response);
                    }
                }
            }
            Act::Allow(number) => {
                self.world.control.allow(number);
                self.responses
                    .retain_mut(|response| response.now_or_never().is_none());
            }
            Act::Drop(number) if !self.responses.is_empty() => {
                drop(self.responses.swap_remove(number % self.responses.len()));
            }
            Act::Drop(_) => {}
            Act::Tick(time) => advance(Duration::from_nanos(time)).await,
            Act::ForceOpen => self.world.breaker.force_open(),
            Act::Reset => self.world.breaker.reset(),
        }
    }

    /// Who was ready is ready.
    fn poll_ready(&mut self, number: usize) {
        let ready = poll_ready(&mut self.services[number]);
        assert!(ready || !self.ready[number], "it was ready, and not called");
        self.ready[number] = ready;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// TC-1, TC-2 and TC-4: whatever is cloned, called and dropped where, the service inside is called when it is
    /// ready, by the instance that was, and nothing is left of it all.
    #[test]
    fn tc_1_and_2_whatever_is_dropped_where(config in configs(), acts in prop::collection::vec(act(), 1..60)) {
        paused().block_on(async {
            let mut crowd = Crowd::new(&config);
            for act in acts {
                crowd.act(act).await;
                let probes = crowd.world.breaker.status().probes;
                prop_assert!(probes <= u64::from(config.half_open_permits), "for all clones together");
            }
            crowd.world.probe.assert_ready_contract();
            prop_assert_eq!(crowd.world.probe.snapshot().in_flight, crowd.responses.len());
            let Crowd { world, services, responses, .. } = crowd;
            drop((services, responses));
            world.probe.assert_quiescent();
            prop_assert_eq!(world.breaker.status().probes, 0);
            world.assert_nothing_is_held();
            Ok(())
        })?;
    }
}

fn one_failure() -> BreakerConfig {
    BreakerConfig::default()
        .trip(Trip::Consecutive {
            failure_threshold: 1,
        })
        .half_open_permits(1)
        .reset_timeout(Duration::from_nanos(MILLI))
        .reset_jitter(0.0)
}

/// TC-3.
#[tokio::test(start_paused = true)]
async fn tc_3_while_it_rejects_the_service_inside_is_not_asked() {
    let mut world = World::new(&one_failure());
    world.breaker.force_open();
    // Pending for ever, if anybody asked.
    world.control.set_ready(false);
    for _ in 0..3 {
        assert!(poll_ready(&mut world.service));
        assert!(poll_ready(&mut world.service), "and again");
        let error = world
            .service
            .call(Outcome::Success)
            .await
            .expect_err("open");
        assert!(error.is_open());
    }
    assert_eq!(world.probe.snapshot().readiness_polls, 0);
    assert_eq!(world.breaker.status().rejected, 3);
}

/// TC-3: also while it is half-open, with all places taken.
#[tokio::test(start_paused = true)]
async fn tc_3_a_full_half_open_breaker_asks_nobody() {
    let mut world = World::new(&one_failure());
    world.control.allow(1);
    assert!(poll_ready(&mut world.service));
    assert!(world.service.call(Outcome::Failure).await.is_ok());
    advance(Duration::from_nanos(MILLI)).await;
    assert!(poll_ready(&mut world.service));
    let mut probe = world.service.call(Outcome::Success);
    assert!((&mut probe).now_or_never().is_none());
    let polls = world.probe.snapshot().readiness_polls;
    assert!(poll_ready(&mut world.service));
    assert!(
        world
            .service
            .call(Outcome::Success)
            .await
            .expect_err("full")
            .is_open()
    );
    assert_eq!(world.probe.snapshot().readiness_polls, polls);
}

/// TC-3: what was reserved for a call that is then rejected is free again.
#[tokio::test(start_paused = true)]
async fn tc_3_a_rejected_call_gives_back_what_readiness_reserved() {
    let world = World::new(&one_failure());
    let mut services: Vec<_> = (0..LIMIT).map(|_| world.service.clone()).collect();
    for service in &mut services {
        assert!(poll_ready(service));
    }
    let mut waiting = world.service.clone();
    assert!(!poll_ready(&mut waiting), "every place is reserved");
    world.breaker.force_open();
    // By the call, and by being asked again.
    assert!(
        services[0]
            .call(Outcome::Success)
            .await
            .expect_err("open")
            .is_open()
    );
    assert!(poll_ready(&mut services[1]));
    assert!(poll_ready(&mut waiting), "it is to be rejected");
    let mut inner: Vec<_> = (0..2).map(|_| world.service.get_ref().clone()).collect();
    for service in &mut inner {
        let ready = ServiceExt::<Wanted>::ready(service).now_or_never();
        assert!(ready.is_some(), "two places are free");
    }
}

/// TC-5.
#[tokio::test(start_paused = true)]
async fn tc_5_who_waits_is_woken_and_nobody_spins() {
    let mut world = World::new(&one_failure());
    world.control.set_ready(false);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let mut context = Context::from_waker(&waker);
    for _ in 0..2 {
        assert!(Service::<Wanted>::poll_ready(&mut world.service, &mut context).is_pending());
    }
    assert_eq!(
        bell.0.load(Ordering::Relaxed),
        0,
        "nobody wakes who has nothing to do"
    );
    world.control.set_ready(true);
    assert_ne!(bell.0.load(Ordering::Relaxed), 0);
    assert!(poll_ready(&mut world.service));
    let mut response = Box::pin(world.service.call(Outcome::Success));
    assert!(response.poll_unpin(&mut context).is_pending());
    let before = bell.0.load(Ordering::Relaxed);
    world.control.allow(1);
    assert_eq!(bell.0.load(Ordering::Relaxed), before + 1);
    assert!(response.await.is_ok());
}

/// TC-6: what the service says is what the caller hears, in its own type.
#[tokio::test(start_paused = true)]
async fn tc_6_errors_of_readiness_and_of_calls_are_those_of_the_service() {
    let mut world = World::new(&one_failure());
    assert!(poll_ready(&mut world.service));
    let response = world.service.call(Outcome::Success);
    world.control.close();
    assert!(matches!(response.await, Err(Error::Inner(_))));
    world.breaker.reset();
    let ready = ServiceExt::<Wanted>::ready(&mut world.service).await;
    assert!(matches!(ready.map(drop), Err(Error::Inner(_))));
    assert_eq!(
        world.breaker.state(),
        State::Closed,
        "readiness does not count"
    );
}
