//! What a tower service promises and expects, by the probes of tower-resilience, which do not know how a layer is
//! written.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use proptest::prelude::*;
use tokio::time::advance;
use tower::{Service, ServiceExt, limit::ConcurrencyLimit};
use tower_resilience_core::testing::{ControlledService, ServiceProbe};

use super::{
    probe::{Answer, Ask, Dependency, Does, MILLI, Probe},
    rig::Rig,
    steps::{answer, does},
};

/// A probe that keeps books, then a limit that reserves a place when it is ready, then a service that answers when it
/// is told to.
pub(super) type Inner = ServiceProbe<ConcurrencyLimit<ControlledService>>;

const LIMIT: usize = 3;
const SERVICES: usize = 4;

#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    /// As many responses as this are let go on.
    Allow(usize),
    /// One of the services is called, if it is ready, and the response polled once.
    Call(usize, u64),
    /// One of the services is cloned, in the place of another.
    Clone(usize, usize),
    /// A response is dropped.
    Drop(usize),
    /// One of the services is asked whether it is ready, any number of times.
    PollReady(usize),
    /// Milliseconds.
    Tick(u64),
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let number = any::<usize>;
    let act = prop_oneof![
        2 => (number(), number()).prop_map(|(from, to)| Act::Clone(from, to)),
        6 => number().prop_map(Act::PollReady),
        8 => (number(), 0_u64..4).prop_map(|(service, request)| Act::Call(service, request)),
        4 => (0_usize..4).prop_map(Act::Allow),
        3 => number().prop_map(Act::Drop),
        3 => (0_u64..10).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..60)
}

/// TC-1, TC-2: whatever is cloned, called and dropped where, the service inside is called when it is ready, by the
/// instance that was, and nothing is left of it all.
pub(super) async fn is_kept<S>(make: impl FnOnce(Inner) -> S, acts: Vec<Act>)
where
    S: Service<u64> + Clone,
{
    let (controlled, control) = ControlledService::new(true);
    let inner = ServiceProbe::new(ConcurrencyLimit::new(controlled, LIMIT));
    let (probe, untouched) = (inner.handle(), inner.clone());
    let mut services = vec![make(inner); SERVICES];
    let mut ready = [false; SERVICES];
    let mut responses: Vec<Pin<Box<S::Future>>> = Vec::new();
    for act in acts {
        match act {
            Act::Allow(number) => {
                control.allow(number);
                ask(&mut responses);
            }
            Act::Call(number, request) => {
                let number = number % SERVICES;
                ready[number] = poll_ready(&mut services[number]);
                if std::mem::take(&mut ready[number]) {
                    let mut response = Box::pin(services[number].call(request));
                    if (&mut response).now_or_never().is_none() {
                        responses.push(response);
                    }
                }
            }
            Act::Clone(from, to) => {
                services[to % SERVICES] = services[from % SERVICES].clone();
                ready[to % SERVICES] = false;
            }
            Act::Drop(number) if !responses.is_empty() => {
                drop(responses.swap_remove(number % responses.len()));
            }
            Act::Drop(_) => {}
            Act::PollReady(number) => {
                let number = number % SERVICES;
                let now = poll_ready(&mut services[number]);
                assert!(now || !ready[number], "it was ready, and not called");
                ready[number] = now;
            }
            Act::Tick(millis) => {
                advance(Duration::from_nanos(millis * MILLI)).await;
                ask(&mut responses);
            }
        }
    }
    probe.assert_ready_contract();
    assert!(probe.snapshot().in_flight <= responses.len());
    drop((services, responses));
    probe.assert_quiescent();
    let mut others = vec![untouched; LIMIT];
    for other in &mut others {
        let ready = ServiceExt::<u64>::ready(other).now_or_never();
        assert!(ready.is_some_and(|ready| ready.is_ok()), "a place is held");
    }
}

/// Each of them once; those that end are dropped.
fn ask<F: Future>(responses: &mut Vec<Pin<Box<F>>>) {
    responses.retain_mut(|response| response.now_or_never().is_none());
}

fn poll_ready<S: Service<u64>>(service: &mut S) -> bool {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    matches!(ready, Poll::Ready(Ok(())))
}

/// What callers do who do not care to which of some services they come.
#[derive(Clone, Copy, Debug)]
pub(super) enum SharedAct {
    Answer(usize, Answer),
    Call(usize, Does),
    Forget(usize),
    /// Milliseconds.
    Tick(u64),
}

pub(super) fn shared_acts() -> impl Strategy<Value = Vec<SharedAct>> {
    let number = any::<usize>;
    let act = prop_oneof![
        10 => (number(), does(answer())).prop_map(|(service, does)| SharedAct::Call(service, does)),
        6 => (number(), answer()).prop_map(|(call, answer)| SharedAct::Answer(call, answer)),
        2 => number().prop_map(SharedAct::Forget),
        4 => (0_u64..12).prop_map(SharedAct::Tick),
    ];
    prop::collection::vec(act, 1..40)
}

impl SharedAct {
    async fn on<S>(self, rig: &mut Rig<S>, dependency: &Dependency)
    where
        S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
    {
        match self {
            Self::Call(service, does) => drop(rig.call(service, does)),
            Self::Answer(call, answer) => {
                let running = dependency.running();
                if !running.is_empty() {
                    dependency.answer(running[call % running.len()], answer);
                    rig.settle();
                }
            }
            Self::Forget(call) => drop(rig.forget(call)),
            Self::Tick(millis) => rig.advance(millis * MILLI).await,
        }
    }
}

/// TC-4: whichever of the services of one layer calls come to, and of their clones, they end as if there were one only.
///
/// `make` puts a layer that has not been used around each of these.
pub(super) async fn is_shared<S>(make: impl Fn(Vec<Probe>) -> Vec<S>, acts: Vec<SharedAct>)
where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug + PartialEq> + Clone,
{
    let dependencies = [(); 2].map(|()| Dependency::with_places(usize::MAX));
    let [one, many] = &dependencies;
    let mut alone = Rig::new(make(vec![one.service()]));
    let mut together = Rig::new(make((0..3).map(|_| many.service()).collect()));
    (0..3).for_each(|service| together.clone_service(service));
    for act in acts {
        act.on(&mut alone, one).await;
        match act {
            // It has passed for both.
            SharedAct::Tick(_) => together.settle(),
            _ => act.on(&mut together, many).await,
        }
        assert_eq!(one.running(), many.running(), "after {act:?}");
    }
    assert_eq!(alone.ends, together.ends);
}

/// TC-5: whatever was done before, panics too, every call ends once there are answers, asked only when it was woken; and
/// nobody is woken for nothing.
pub(super) async fn every_call_ends<S>(
    make: impl FnOnce(Probe) -> S,
    acts: Vec<SharedAct>,
    places: usize,
) where
    S: Service<Ask, Response = u64, Error: std::fmt::Debug> + Clone,
{
    let dependency = Dependency::with_places(places);
    let mut rig = Rig::new(vec![make(dependency.service()); 3]);
    for act in acts {
        act.on(&mut rig, &dependency).await;
    }
    dependency.set_places(usize::MAX);
    rig.settle();
    for _ in 0..1_000 {
        let (calls, polls) = (rig.under_way() as u64, rig.polls);
        if calls == 0 {
            break;
        }
        SharedAct::Answer(0, Answer::Works)
            .on(&mut rig, &dependency)
            .await;
        SharedAct::Tick(1).on(&mut rig, &dependency).await;
        let asked = rig.polls - polls;
        assert!(asked <= 4 * calls, "{asked} times, of {calls} calls");
    }
    assert_eq!(rig.under_way(), 0, "calls that nobody ends");
    rig.close();
    dependency.assert_clean();
}
