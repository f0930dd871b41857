use std::{fmt, sync::Arc, time::Duration};

use super::{
    BreakerConfig, ByKind, Classifier, Error, ResponseFuture, State,
    core::Ticket,
    future::Guard,
    shared::{Local, Shared},
};
use crate::resilience::{Name, Rejection};

/// Sees and controls a breaker from outside; outlives its services. Cheap to clone.
#[derive(Clone)]
pub struct BreakerHandle {
    local: Arc<Local<ByKind>>,
}

/// How a breaker is, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerStatus {
    /// The state in which a call would find it.
    pub state: State,
    /// How often the state has changed.
    pub generation: u64,
    /// Failures that count towards opening it; none unless it is closed.
    pub failure_count: u64,
    /// Probes that have succeeded; none unless it is half-open.
    pub success_count: u64,
    /// Probes under way.
    pub probes: u64,
    /// How long it certainly rejects calls, if that is known.
    pub retry_after: Option<Duration>,
    /// Failures since it was made.
    pub failed: u64,
    /// Rejected calls since it was made.
    pub rejected: u64,
    /// What else became of calls, where that is [counted](super::BreakerBuilder::count_calls).
    pub others: Option<OtherCalls>,
}

/// Calls that a breaker let through, and that were no failures, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherCalls {
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that said nothing about the dependency: a layer inside refused them, they were cancelled, or wrong.
    pub ignored: u64,
}

impl BreakerHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            local: Arc::new(Local {
                shared,
                classifier: ByKind,
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> Name {
        self.shared().reporter.name
    }

    /// Its configuration.
    pub fn config(&self) -> &BreakerConfig {
        &self.shared().config
    }

    /// The state in which a call would find it now: half-open when the open period is over, even if nobody has
    /// called since; open when all of its probes are to be given up.
    pub fn state(&self) -> State {
        let shared = self.shared();
        shared.core.state(shared.clock.now())
    }

    /// Its state and its counts.
    pub fn status(&self) -> BreakerStatus {
        let shared = self.shared();
        let snapshot = shared.core.snapshot(shared.clock.now());
        BreakerStatus {
            state: snapshot.state,
            generation: snapshot.generation,
            failure_count: snapshot.failures,
            success_count: snapshot.successes,
            probes: snapshot.probes,
            retry_after: snapshot.retry_after,
            failed: shared.failed.sum(),
            rejected: shared.rejected.sum(),
            others: shared.others.as_ref().map(|others| OtherCalls {
                succeeded: others.succeeded.sum(),
                ignored: others.ignored.sum(),
            }),
        }
    }

    /// Rejects every call, until [`reset`](Self::reset).
    pub fn force_open(&self) {
        let shared = self.shared();
        shared.tell(shared.core.force_open(shared.clock.now()));
    }

    /// Lets every call through and counts nothing, until [`reset`](Self::reset).
    pub fn disable(&self) {
        let shared = self.shared();
        shared.tell(shared.core.disable(shared.clock.now()));
    }

    /// Closes it, with nothing counted. Calls that are under way do not count any more.
    pub fn reset(&self) {
        let shared = self.shared();
        shared.tell(Some(shared.core.reset(shared.clock.now())));
    }

    /// Ends the open period now: the next calls are probes. For whoever sees signs of life of the dependency. Does nothing
    /// unless it is open.
    pub fn probe(&self) {
        let shared = self.shared();
        shared.tell(shared.core.probe(shared.clock.now()));
    }

    /// Closes it if it is open or half-open, as its probes would. For whoever knows that the dependency is back. What
    /// was [forced](Self::force_open) or [disabled](Self::disable) stays so, unlike with [`reset`](Self::reset).
    pub fn close(&self) {
        let shared = self.shared();
        shared.tell(shared.core.close(shared.clock.now()));
    }

    /// Whether it was open or half-open when it was last used; reads no clock.
    #[inline]
    pub(crate) fn has_tripped(&self) -> bool {
        self.shared().core.has_tripped()
    }

    /// Runs what is not a service through the breaker: `call` is called only if the breaker lets it through. Its
    /// outcome counts by the [kind](ByKind) of its error.
    ///
    /// ```
    /// # use algedonic::resilience::breaker::{BreakerConfig, BreakerLayer, Error};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let breaker = BreakerLayer::named("files", BreakerConfig::default())?.handle();
    /// match breaker.call(|| tokio::fs::read("/etc/hostname")).await {
    ///     Ok(name) => println!("{} bytes", name.len()),
    ///     Err(Error::Open(rejection)) => println!("{rejection}"),
    ///     Err(Error::Inner(error)) => println!("the file system: {error}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, T, E>(&self, call: impl FnOnce() -> F) -> ResponseFuture<F>
    where
        F: Future<Output = Result<T, E>>,
        ByKind: Classifier<T, E>,
    {
        match self.admit() {
            Ok(ticket) => {
                let guard = Guard::new(Arc::clone(&self.local), ticket);
                ResponseFuture::admitted(call(), guard)
            }
            Err(rejection) => ResponseFuture::rejected(rejection),
        }
    }

    /// The same for what does not await.
    pub fn call_blocking<T, E>(&self, call: impl FnOnce() -> Result<T, E>) -> Result<T, Error<E>>
    where
        ByKind: Classifier<T, E>,
    {
        match self.admit() {
            Ok(ticket) => {
                let mut guard = Guard::new(Arc::clone(&self.local), ticket);
                let result = call();
                guard.finish(result.as_ref());
                result.map_err(Error::Inner)
            }
            Err(rejection) => Err(Error::Open(rejection)),
        }
    }

    #[inline]
    fn admit(&self) -> Result<Ticket, Rejection> {
        match self.shared().admit_at_once() {
            Some(ticket) => Ok(ticket),
            None => self.shared().admit(),
        }
    }

    fn shared(&self) -> &Shared {
        &self.local.shared
    }
}

impl fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerHandle")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish()
    }
}
