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

use super::probe::MILLI;

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
