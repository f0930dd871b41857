//! What a tower service promises and expects, by the probes of tower-resilience, which do not know how a breaker is
//! written.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_resilience_core::testing::{
    ControlledHandle, ControlledService, ProbeHandle, ServiceProbe,
};

use super::steps::{CASES, configs, outcome, tick};
use crate::resilience::breaker::{Breaker, BreakerConfig, BreakerHandle, BreakerLayer, Outcome};

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

type Response = <Subject as Service<Wanted>>::Future;

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
