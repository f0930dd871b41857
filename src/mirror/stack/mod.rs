//! The stack that every mirror has unless it is given another: `retry(breaker(bulkhead(timeout(transport))))`.

mod line;
mod recovery;
mod retry;
mod settings;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use algedonic_transport::{Error, Message, Outcome, Transport};
use tower::{Layer, Service};

pub(crate) use self::settings::Settings;
use self::{
    line::Line,
    recovery::Recovery,
    retry::{InOrder, Trying},
};
use super::service::{InDoubt, TransportService};
use crate::{
    AlarmObserver,
    resilience::{
        ConfigError, Name, Notice, Observer,
        breaker::{self, Breaker, BreakerHandle, BreakerLayer, ByKind, Classifier},
        bulkhead::{self, Bulkhead, BulkheadHandle, BulkheadLayer},
        retry::{RetryHandle, RetryLayer},
        timeout::{self, Timeout, TimeoutHandle, TimeoutLayer},
    },
};

/// What the layers and the transport say, from the outside to the inside.
type Failure = breaker::Error<bulkhead::Error<timeout::Error<Error>>>;
type Inner = Breaker<Bulkhead<Timeout<TransportService>>, ByOutcome>;

/// What the events of a [`Mirror`](crate::Mirror) pass on their way to its transport, unless it is given a
/// [stack of its own](crate::Mirror::stack): `retry(breaker(bulkhead(timeout(transport))))`.
///
/// The retry is one that keeps the order: see [`Mirror::retry`](crate::Mirror::retry).
#[derive(Clone)]
pub struct MirrorStack {
    retry: InOrder<Inner>,
    recovery: Arc<Recovery>,
}

/// Sees and controls the layers of a [`MirrorStack`] from outside; from [`Bus::mirror_stack`](crate::Bus::mirror_stack).
/// Outlives the bus. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MirrorStackHandle {
    breaker: BreakerHandle,
    bulkhead: BulkheadHandle,
    retry: RetryHandle,
    timeout: TimeoutHandle,
}

impl MirrorStackHandle {
    /// The circuit breaker; its name is that of the transport, such as `amqp`.
    pub fn breaker(&self) -> &BreakerHandle {
        &self.breaker
    }

    /// The bulkhead; its slots are taken by the events that await their outcome.
    pub fn bulkhead(&self) -> &BulkheadHandle {
        &self.bulkhead
    }

    /// The retry.
    pub fn retry(&self) -> &RetryHandle {
        &self.retry
    }

    /// The timeout of an attempt.
    pub fn timeout(&self) -> &TimeoutHandle {
        &self.timeout
    }
}

/// What a mirror keeps of its stack.
pub(crate) struct Standard {
    pub(crate) handle: MirrorStackHandle,
    pub(crate) recovery: Arc<Recovery>,
    alarms: Alarmed,
}

/// Who is told of the breaker, once there is somebody.
#[derive(Clone, Default)]
struct Alarmed(Arc<OnceLock<AlarmObserver>>);

impl Observer for Alarmed {
    fn notice(&self, notice: Notice) {
        if let Some(observer) = self.0.get() {
            observer.notice(notice);
        }
    }
}

impl Standard {
    pub(crate) fn alarm(&self, observer: AlarmObserver) {
        // There is one bus, and it asks once.
        let _ = self.alarms.0.set(observer);
    }
}

/// An answer of the other side is a success, whatever it says; none is a failure.
#[derive(Clone, Copy, Debug)]
struct ByOutcome;

impl<E> Classifier<Outcome, E> for ByOutcome
where
    ByKind: Classifier<Outcome, E>,
{
    fn outcome(&self, result: Result<&Outcome, &E>) -> breaker::Outcome {
        match result {
            Ok(Outcome::Unknown { .. }) => breaker::Outcome::Failure,
            result => ByKind.outcome(result),
        }
    }
}

impl MirrorStack {
    pub(crate) fn standard(
        transport: &Arc<dyn Transport>,
        in_doubt: &Arc<InDoubt>,
    ) -> (Self, Standard) {
        Self::new(transport, in_doubt, &Settings::default()).expect("the defaults are valid")
    }

    pub(crate) fn new(
        transport: &Arc<dyn Transport>,
        in_doubt: &Arc<InDoubt>,
        settings: &Settings,
    ) -> Result<(Self, Standard), ConfigError> {
        let name = Name::from_static(transport.name());
        let alarms = Alarmed::default();
        let breaker = BreakerLayer::builder(settings.breaker.clone())
            .name(name)
            .observer(alarms.clone())
            .classifier(ByOutcome)
            .build()?;
        let window = transport.capabilities().window;
        let bulkhead = BulkheadLayer::named(name, settings.bulkhead(window))?;
        let timeout = TimeoutLayer::named(name, settings.timeout())?;
        let retry = RetryLayer::named(name, settings.retry.clone())?;
        let handle = MirrorStackHandle {
            breaker: breaker.handle(),
            bulkhead: bulkhead.handle(),
            retry: retry.handle(),
            timeout: timeout.handle(),
        };
        let line = Arc::new(Line::default());
        let recovery = Arc::new(Recovery::new(
            Arc::clone(transport),
            handle.breaker.clone(),
            Arc::clone(&line),
        ));
        let service = TransportService::new(Arc::clone(transport), Arc::clone(in_doubt));
        let inner = breaker.layer(bulkhead.layer(timeout.layer(service)));
        let shared = retry::Shared {
            retry: Arc::clone(retry.shared()),
            line,
            in_doubt: Arc::clone(in_doubt),
            recovery: Arc::clone(&recovery),
        };
        let stack = Self {
            retry: InOrder::new(inner, shared),
            recovery: Arc::clone(&recovery),
        };
        let standard = Standard {
            handle,
            recovery,
            alarms,
        };
        Ok((stack, standard))
    }
}

impl Service<Message> for MirrorStack {
    type Response = Outcome;
    type Error = Failure;
    type Future = Passing;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        // Whoever knows that the link is up is not refused any more.
        self.recovery.look_if_tripped();
        self.retry.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, message: Message) -> Passing {
        Passing(self.retry.call(message))
    }
}

impl fmt::Debug for MirrorStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorStack")
            .field("breaker", self.recovery.breaker())
            .finish_non_exhaustive()
    }
}

/// The future of a [`MirrorStack`].
#[pin_project::pin_project]
#[must_use = "futures do nothing unless polled"]
pub struct Passing(#[pin] Trying<Inner>);

impl Future for Passing {
    type Output = Result<Outcome, Failure>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().0.poll(cx)
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passing")
    }
}
