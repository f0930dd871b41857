mod functions;
mod properties;

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use proptest::prelude::*;
use tokio::{sync::oneshot, time::advance};
use tower::{Layer, Service};

use super::{
    model::Model,
    steps::{CASES, configs, outcome, tick},
};
use crate::resilience::{
    Class, Classify, Kind, Notice, Observer, Reason, What,
    breaker::{
        Breaker, BreakerConfig, BreakerHandle, BreakerLayer, Error, OnCancel, Outcome, State, Trip,
    },
};

/// An error of a kind, as a dependency gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failed(Kind);

impl Classify for Failed {
    fn class(&self) -> Class {
        Class::of(self.0)
    }
}

/// Answers when the test says so, panics when it says so, or answers at once.
#[derive(Clone, Default)]
struct Dependency(Rc<Cell<u32>>);

enum Request {
    At(oneshot::Receiver<Answer>),
    Now(Answer),
    PanicInCall,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Is(Outcome),
    Panic,
}

impl Answer {
    fn result(self) -> Result<(), Failed> {
        match self {
            Self::Is(Outcome::Success) => Ok(()),
            Self::Is(Outcome::Failure) => Err(Failed(Kind::Timeout)),
            Self::Is(Outcome::Ignore) => Err(Failed(Kind::LocalRejection)),
            Self::Panic => panic!("planted"),
        }
    }
}

impl Service<Request> for Dependency {
    type Response = ();
    type Error = Failed;
    type Future = LocalBoxFuture<'static, Result<(), Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.set(self.0.get() + 1);
        match request {
            Request::At(answer) => {
                async move { answer.await.expect("said").result() }.boxed_local()
            }
            Request::Now(answer) => async move { answer.result() }.boxed_local(),
            Request::PanicInCall => panic!("planted"),
        }
    }
}

type Response = <Breaker<Dependency> as Service<Request>>::Future;

/// A layer, a service that is called, and calls that wait.
struct Subject {
    service: Breaker<Dependency>,
    handle: BreakerHandle,
    calls: Rc<Cell<u32>>,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Subject {
    fn new(config: &BreakerConfig) -> Self {
        Self::heard_by(config, |_: Notice| ())
    }

    /// With one more observer, which is told first.
    fn heard_by(config: &BreakerConfig, observer: impl Observer) -> Self {
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&notices);
        let layer = BreakerLayer::builder(config.clone())
            .name("subject")
            .observer(observer)
            .observer(move |notice| told.lock().expect("no panic").push(notice))
            .build()
            .expect("good");
        let dependency = Dependency::default();
        Self {
            calls: Rc::clone(&dependency.0),
            handle: layer.handle(),
            service: layer.layer(dependency),
            notices,
        }
    }

    fn call(&mut self, request: Request) -> Response {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let ready = Service::<Request>::poll_ready(&mut self.service, &mut context);
        assert_eq!(ready, Poll::Ready(Ok(())));
        self.service.call(request)
    }

    fn now(&mut self, outcome: Outcome) -> Result<(), Error<Failed>> {
        let response = self.call(Request::Now(Answer::Is(outcome)));
        response.now_or_never().expect("at once")
    }

    fn transitions(&self) -> Vec<(State, State, u64)> {
        let notices = self.notices.lock().expect("no panic");
        let changes = notices.iter().filter_map(|notice| match notice.what {
            What::Breaker { from, to } => Some((from, to, notice.generation)),
            _ => None,
        });
        changes.collect()
    }

    fn rejections(&self) -> u64 {
        let notices = self.notices.lock().expect("no panic");
        let rejected = notices
            .iter()
            .filter(|notice| notice.what == What::Rejected(Reason::BreakerOpen));
        rejected.map(|notice| notice.count).sum()
    }
}

/// What a caller may do, and what a service.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Calls, and looks whether it is ready.
    Call,
    /// Calls what answers at once.
    CallNow(Outcome),
    /// Calls, and lets go of the response before it asks for it.
    CallAndForget,
    CallWhatPanics,
    Finish(usize, Outcome),
    Panic(usize),
    Drop(usize),
    Tick(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Call),
        4 => outcome().prop_map(Act::CallNow),
        1 => Just(Act::CallAndForget),
        1 => Just(Act::CallWhatPanics),
        6 => (any::<usize>(), outcome()).prop_map(|(call, outcome)| Act::Finish(call, outcome)),
        1 => any::<usize>().prop_map(Act::Panic),
        3 => any::<usize>().prop_map(Act::Drop),
        4 => tick().prop_map(Act::Tick),
    ]
}

fn paused() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

/// A call under way: the future, how to end it, its number in the model, and when it began to wait.
type Waiting = (Response, oneshot::Sender<Answer>, usize, u64);

/// The layer and the model go through the same.
struct Pair {
    subject: Subject,
    model: Model,
    config: BreakerConfig,
    waiting: VecDeque<Waiting>,
    now: u64,
    calls: u32,
    rejected: u64,
}

impl Pair {
    fn new(config: BreakerConfig, subject: Subject) -> Self {
        Self {
            subject,
            model: Model::new(config.clone()),
            config,
            waiting: VecDeque::new(),
            now: 0,
            calls: 0,
            rejected: 0,
        }
    }

    /// Those that were admitted, by the layer and by the model.
    fn call(&mut self, request: Request) -> Option<(Response, usize)> {
        let mut response = self.subject.call(request);
        self.model.poll_ready(self.now);
        match self.model.admit(self.now) {
            Ok(number) => {
                self.calls += 1;
                Some((response, number))
            }
            Err(wait) => {
                self.rejected += 1;
                let rejected = (&mut response).now_or_never().expect("at once");
                let Err(Error::Open(rejection)) = rejected else {
                    panic!("the model rejects it: {rejected:?}");
                };
                assert_eq!(rejection.retry_after(), wait);
                assert_eq!(rejection.name().as_str(), "subject");
                None
            }
        }
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.model.finish(number, outcome, false, self.now);
    }

    fn take_one(&mut self, call: usize) -> Option<Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        self.waiting.remove(call % self.waiting.len())
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Call => {
                let (sender, receiver) = oneshot::channel();
                if let Some((mut response, number)) = self.call(Request::At(receiver)) {
                    assert!((&mut response).now_or_never().is_none());
                    self.waiting.push_back((response, sender, number, self.now));
                }
            }
            Act::CallNow(outcome) => {
                if let Some((response, number)) = self.call(Request::Now(Answer::Is(outcome))) {
                    let result = response.now_or_never().expect("at once");
                    assert_eq!(result, Answer::Is(outcome).result().map_err(Error::Inner));
                    self.end(number, outcome);
                }
            }
            Act::CallAndForget => {
                if let Some((response, number)) = self.call(Request::Now(Answer::Panic)) {
                    drop(response);
                    let is_failure = self.config.on_cancel == OnCancel::Failure;
                    self.end(
                        number,
                        if is_failure {
                            Outcome::Failure
                        } else {
                            Outcome::Ignore
                        },
                    );
                }
            }
            Act::CallWhatPanics => {
                // A panic takes the answer with it, so the model is asked first what it would be.
                if self.subject.handle.state() != State::Closed {
                    return;
                }
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    drop(self.subject.call(Request::PanicInCall));
                }));
                assert!(caught.is_err());
                let number = self.model.admit(self.now).expect("closed");
                self.calls += 1;
                self.end(number, Outcome::Failure);
            }
            Act::Finish(call, outcome) => {
                if let Some((response, sender, number, _)) = self.take_one(call) {
                    sender.send(Answer::Is(outcome)).expect("awaited");
                    let result = response.now_or_never().expect("at once");
                    assert_eq!(result, Answer::Is(outcome).result().map_err(Error::Inner));
                    self.end(number, outcome);
                }
            }
            Act::Panic(call) => {
                if let Some((mut response, sender, number, _)) = self.take_one(call) {
                    sender.send(Answer::Panic).expect("awaited");
                    let caught = catch_unwind(AssertUnwindSafe(|| (&mut response).now_or_never()));
                    assert!(caught.is_err());
                    // Nothing unwinds any more when it is dropped, and it is a panic all the same.
                    drop(response);
                    self.end(number, Outcome::Failure);
                }
            }
            Act::Drop(call) => {
                if let Some((response, _, number, since)) = self.take_one(call) {
                    drop(response);
                    let age = Duration::from_nanos(self.now - since);
                    let outcome = match self.config.on_cancel {
                        OnCancel::Failure => Outcome::Failure,
                        OnCancel::FailureIfOlderThan(least) if age >= least => Outcome::Failure,
                        _ => Outcome::Ignore,
                    };
                    self.end(number, outcome);
                }
            }
            Act::Tick(time) => {
                advance(Duration::from_nanos(time)).await;
                self.now += time;
            }
        }
    }

    fn compare(&self, act: Act) {
        let status = self.subject.handle.status();
        assert_eq!(status.state, self.model.state(self.now), "after {act:?}");
        assert_eq!(status.generation, self.model.generation);
        assert_eq!(status.failure_count, self.model.failures(self.now) as u64);
        assert_eq!(status.success_count, u64::from(self.model.successes()));
        assert_eq!(status.probes, self.model.probes() as u64);
        assert_eq!(status.rejected, self.rejected);
        assert_eq!(
            self.subject.calls.get(),
            self.calls,
            "only admitted calls arrive"
        );
        assert_eq!(self.subject.transitions(), self.model.changes);
    }
}

/// Panics are planted; that they are reported is of no use.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let planted = info.payload().downcast_ref::<&str>() == Some(&"planted");
        if !planted {
            report(info);
        }
    }));
    let result = run();
    drop(std::panic::take_hook());
    result
}
