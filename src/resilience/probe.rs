//! A service for the tests of layers. It says when it is ready and what it answers as the test wishes, and knows what
//! is reserved, running and asleep in it.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tower::Service;

use super::{Class, Classify, Kind};

/// Cases of each property.
pub(super) const CASES: u32 = 2_000;

pub(super) const MILLI: u64 = 1_000_000;

/// A request. It counts how often it is cloned.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) id: u64,
    pub(super) does: Does,
    clones: Arc<AtomicU64>,
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Answer(Answer),
    PanicInCall,
    /// Until the test [answers](Dependency::answer).
    Wait,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Fails(Failed),
    Panics,
    /// With the number of the request.
    Works,
}

/// An error of any class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed(pub(super) Class);

impl Ask {
    pub(super) fn new(id: u64, does: Does) -> Self {
        Self {
            id,
            does,
            clones: Arc::default(),
        }
    }

    pub(super) fn clones(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.clones)
    }
}

impl Clone for Ask {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            clones: self.clones(),
            ..*self
        }
    }
}

impl Answer {
    pub(super) const FAILS: Self = Self::Fails(Failed::of(Kind::Dependency));
}

impl Failed {
    pub(super) const fn of(kind: Kind) -> Self {
        Self(Class::of(kind))
    }
}

impl Classify for Failed {
    fn class(&self) -> Class {
        self.0
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "planted: {:?}", self.0.kind())
    }
}

impl std::error::Error for Failed {}

/// What a test sees and decides.
#[derive(Clone, Debug)]
pub(super) struct Dependency(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// So many reservations and calls at a time.
    places: usize,
    /// What readiness says, if it fails.
    unready: Option<Failed>,
    /// One for each service that has said that it is ready.
    reserved: usize,
    instances: u64,
    /// Services that wait until there is a place.
    asleep: BTreeMap<u64, Waker>,
    calls: Vec<Call>,
    asked: u64,
    wrongs: Vec<&'static str>,
}

#[derive(Debug)]
struct Call {
    id: u64,
    phase: Phase,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Answered(Answer),
    Dropped,
    Ended,
    Running,
}

/// The service.
#[derive(Debug)]
pub(super) struct Probe {
    dependency: Dependency,
    instance: u64,
    reserved: bool,
}

/// A call of it.
#[derive(Debug)]
pub(super) struct Answering {
    dependency: Dependency,
    call: usize,
}

impl Dependency {
    /// Ready for so many at a time.
    pub(super) fn with_places(places: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            places,
            unready: None,
            reserved: 0,
            instances: 0,
            asleep: BTreeMap::new(),
            calls: Vec::new(),
            asked: 0,
            wrongs: Vec::new(),
        })))
    }

    pub(super) fn service(&self) -> Probe {
        let mut state = self.state();
        state.instances += 1;
        Probe {
            dependency: self.clone(),
            instance: state.instances,
            reserved: false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A planted panic comes with no lock held.
        self.0.lock().expect("no panic")
    }

    /// Changes something, and wakes those who wait for a place if there is one then.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, wakers) = {
            let mut state = self.state();
            let result = change(&mut state);
            let asleep = if state.reserved + state.running() < state.places {
                std::mem::take(&mut state.asleep)
            } else {
                BTreeMap::new()
            };
            (result, asleep)
        };
        wakers.into_values().for_each(Waker::wake);
        result
    }

    pub(super) fn set_places(&self, places: usize) {
        self.change(|state| state.places = places);
    }

    /// From now on it fails to become ready, or not.
    pub(super) fn set_unready(&self, failed: Option<Failed>) {
        self.change(|state| {
            state.unready = failed;
            state.places = state.places.max(1);
        });
    }

    /// Calls under way, by the numbers of their requests, in the order in which they came.
    pub(super) fn running(&self) -> Vec<u64> {
        let state = self.state();
        let running = state.calls.iter().filter(|call| call.is_running());
        running.map(|call| call.id).collect()
    }

    /// How often it was asked for readiness.
    pub(super) fn asked(&self) -> u64 {
        self.state().asked
    }

    pub(super) fn reserved(&self) -> usize {
        self.state().reserved
    }

    /// Services that wait for a place.
    pub(super) fn asleep(&self) -> usize {
        self.state().asleep.len()
    }

    /// Ends the oldest call under way with this request; false if there is none.
    pub(super) fn answer(&self, id: u64, answer: Answer) -> bool {
        let (found, waker) = {
            let mut state = self.state();
            let mut calls = state.calls.iter_mut();
            match calls.find(|call| call.id == id && call.phase == Phase::Running) {
                Some(call) => {
                    call.phase = Phase::Answered(answer);
                    (true, call.waker.take())
                }
                None => (false, None),
            }
        };
        waker.into_iter().for_each(Waker::wake);
        found
    }

    /// Nothing is left in it, and nothing went wrong.
    pub(super) fn assert_clean(&self) {
        let state = self.state();
        assert_eq!(state.wrongs, Vec::<&str>::new());
        assert_eq!(
            (state.reserved, state.running(), state.asleep.len()),
            (0, 0, 0),
            "reserved, running, asleep"
        );
    }

    /// No call came to a service that was not ready.
    pub(super) fn assert_right(&self) {
        assert_eq!(self.state().wrongs, Vec::<&str>::new());
    }
}

impl State {
    fn running(&self) -> usize {
        self.calls.iter().filter(|call| call.is_running()).count()
    }
}

impl Call {
    fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Answered(_) | Phase::Running)
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        self.dependency.service()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let reserved = usize::from(self.reserved);
        self.dependency.change(|state| {
            state.reserved -= reserved;
            state.asleep.remove(&self.instance);
        });
    }
}

impl Service<Ask> for Probe {
    type Response = u64;
    type Error = Failed;
    type Future = Answering;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let mut state = self.dependency.state();
        state.asked += 1;
        state.asleep.remove(&self.instance);
        if let Some(failed) = state.unready {
            return Poll::Ready(Err(failed));
        }
        if !self.reserved {
            if state.reserved + state.running() >= state.places {
                state.asleep.insert(self.instance, cx.waker().clone());
                return Poll::Pending;
            }
            state.reserved += 1;
            self.reserved = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Answering {
        let reserved = std::mem::take(&mut self.reserved);
        let call = self.dependency.change(|state| {
            if reserved {
                state.reserved -= 1;
            } else {
                state.wrongs.push("called, and was not ready");
            }
            let phase = match ask.does {
                Does::Answer(answer) => Phase::Answered(answer),
                Does::PanicInCall => Phase::Ended,
                Does::Wait => Phase::Running,
            };
            state.calls.push(Call {
                id: ask.id,
                phase,
                waker: None,
            });
            state.calls.len() - 1
        });
        assert!(ask.does != Does::PanicInCall, "planted in call");
        Answering {
            dependency: self.dependency.clone(),
            call,
        }
    }
}

impl Future for Answering {
    type Output = Result<u64, Failed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = self.dependency.change(|state| {
            let call = &mut state.calls[self.call];
            match call.phase {
                Phase::Answered(answer) => {
                    call.phase = Phase::Ended;
                    Some((call.id, answer))
                }
                Phase::Running => {
                    call.waker = Some(cx.waker().clone());
                    None
                }
                Phase::Dropped | Phase::Ended => {
                    state.wrongs.push("polled after it had ended");
                    None
                }
            }
        });
        match answered {
            None => Poll::Pending,
            Some((_, Answer::Panics)) => panic!("planted"),
            Some((_, Answer::Fails(failed))) => Poll::Ready(Err(failed)),
            Some((id, Answer::Works)) => Poll::Ready(Ok(id)),
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.dependency.change(|state| {
            let call = &mut state.calls[self.call];
            call.waker = None;
            if call.phase != Phase::Ended {
                call.phase = Phase::Dropped;
            }
        });
    }
}

/// Counts how often somebody was woken.
#[derive(Debug, Default)]
pub(super) struct Bell(AtomicU64);

impl Bell {
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (Arc::clone(&bell), Waker::from(bell))
    }

    pub(super) fn rings(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A runtime whose time passes when the test says so.
pub(super) fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// Asks a future once, as somebody who does not wait.
pub(super) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Asks a service for readiness, and calls it if it is.
pub(super) fn call<S: Service<Ask>>(
    service: &mut S,
    ask: Ask,
) -> Poll<Result<S::Future, S::Error>> {
    let mut context = Context::from_waker(Waker::noop());
    service
        .poll_ready(&mut context)
        .map_ok(|()| service.call(ask))
}
