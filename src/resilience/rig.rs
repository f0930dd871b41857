//! Services with calls under way, for the tests of layers: who is woken is asked again, and nobody else.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tower::Service;

use super::probe::{Ask, Bell, Does};

/// Some services, the calls that were made of them, and how these ended.
pub(super) struct Rig<S: Service<Ask>> {
    services: Vec<S>,
    /// Those that said that they are ready, and were not called since.
    ready: Vec<bool>,
    calls: Vec<Calling<S::Future>>,
    pub(super) ends: BTreeMap<u64, End<S::Error>>,
    made: u64,
    /// How often a future was asked.
    pub(super) polls: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End<E> {
    Panic,
    Result(Result<u64, E>),
    Unready(E),
}

struct Calling<F> {
    id: u64,
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
    /// As often as it had been woken when it was asked; none before that.
    heard: Option<u64>,
}

impl<S> Rig<S>
where
    S: Service<Ask, Response = u64> + Clone,
    S::Error: std::fmt::Debug,
{
    pub(super) fn new(services: Vec<S>) -> Self {
        Self {
            ready: vec![false; services.len()],
            services,
            calls: Vec::new(),
            ends: BTreeMap::new(),
            made: 0,
            polls: 0,
        }
    }

    /// Makes a call, if the service is ready or was when it was asked last, and does not ask for its response. Its
    /// number.
    pub(super) fn start(&mut self, service: usize, does: Does) -> Option<u64> {
        self.start_as(service, Ask::new(self.made + 1, does))
    }

    /// The same with this request.
    pub(super) fn start_as(&mut self, service: usize, ask: Ask) -> Option<u64> {
        let index = service % self.services.len();
        let id = ask.id;
        if !self.ready[index] {
            match self.ready(index) {
                Poll::Pending => return None,
                Poll::Ready(Err(error)) => {
                    self.made += 1;
                    self.ends.insert(id, End::Unready(error));
                    return Some(id);
                }
                Poll::Ready(Ok(())) => {}
            }
        }
        self.made += 1;
        self.ready[index] = false;
        let service = &mut self.services[index];
        match catch_unwind(AssertUnwindSafe(|| service.call(ask))) {
            Ok(future) => {
                let (bell, waker) = Bell::new();
                self.calls.push(Calling {
                    id,
                    future: Box::pin(future),
                    bell,
                    waker,
                    heard: None,
                });
            }
            Err(_) => {
                self.ends.insert(id, End::Panic);
            }
        }
        Some(id)
    }

    /// Makes a call, and asks all who were woken.
    pub(super) fn call(&mut self, service: usize, does: Does) -> Option<u64> {
        let id = self.start(service, does);
        self.settle();
        id
    }

    /// Asks all who were woken or never asked, until nobody is left.
    pub(super) fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            let due = self.calls.iter_mut().find(|call| match call.heard {
                Some(heard) => call.bell.rings() > heard,
                None => true,
            });
            let Some(call) = due else { return };
            rounds += 1;
            assert!(rounds < 10_000, "somebody wakes itself for ever");
            self.polls += 1;
            call.heard = Some(call.bell.rings());
            let mut context = Context::from_waker(&call.waker);
            let end =
                match catch_unwind(AssertUnwindSafe(|| call.future.as_mut().poll(&mut context))) {
                    Ok(Poll::Pending) => continue,
                    Ok(Poll::Ready(result)) => End::Result(result),
                    Err(_) => End::Panic,
                };
            let id = call.id;
            self.calls.retain(|call| call.id != id);
            self.ends.insert(id, end);
        }
    }

    /// Lets time pass.
    pub(super) async fn advance(&mut self, nanos: u64) {
        tokio::time::advance(Duration::from_nanos(nanos)).await;
        self.settle();
    }

    /// Drops the response of one of the calls under way; its number.
    pub(super) fn forget(&mut self, call: usize) -> Option<u64> {
        if self.calls.is_empty() {
            return None;
        }
        let call = self.calls.remove(call % self.calls.len());
        let id = call.id;
        drop(call);
        self.settle();
        Some(id)
    }

    /// Drops all of them, in an order that hangs on a number.
    pub(super) fn forget_all(&mut self, order: usize) {
        let mut call = order;
        while self.forget(call).is_some() {
            call = call.wrapping_mul(31).wrapping_add(7);
        }
    }

    /// Asks a service whether it is ready, and drops it.
    pub(super) fn ready_and_forget(&mut self, service: usize) {
        let index = service % self.services.len();
        let mut context = Context::from_waker(Waker::noop());
        let mut clone = self.services[index].clone();
        let _ = clone.poll_ready(&mut context);
        drop(clone);
        self.settle();
    }

    /// Asks a service whether it is ready, and leaves it so.
    pub(super) fn ready(&mut self, service: usize) -> Poll<Result<(), S::Error>> {
        let index = service % self.services.len();
        let mut context = Context::from_waker(Waker::noop());
        let ready = self.services[index].poll_ready(&mut context);
        self.ready[index] = matches!(ready, Poll::Ready(Ok(())));
        ready
    }

    /// One more service, a clone of this one.
    pub(super) fn clone_service(&mut self, service: usize) {
        let clone = self.services[service % self.services.len()].clone();
        self.services.push(clone);
        self.ready.push(false);
    }

    /// One of the services, to do something else with it.
    pub(super) fn service(&mut self, service: usize) -> &mut S {
        let index = service % self.services.len();
        self.ready[index] = false;
        &mut self.services[index]
    }

    /// Calls that were made.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    /// Calls that have not ended.
    pub(super) const fn under_way(&self) -> usize {
        self.calls.len()
    }

    pub(super) const fn services(&self) -> usize {
        self.services.len()
    }

    /// Drops the services.
    pub(super) fn close(&mut self) {
        self.services.clear();
    }

    pub(super) fn end(&self, id: u64) -> Option<&End<S::Error>> {
        self.ends.get(&id)
    }
}
