use std::{sync::Arc, time::Duration};

use super::{
    BreakerConfig, OnCancel, Outcome,
    core::{Change, Core, Refusal, Seen, Ticket},
};
use crate::resilience::{
    Reason, Rejection, What,
    clock::{Clock, nanos},
    counter::Counter,
    observer::Reporter,
    storm::Storm,
};

/// One breaker: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: Core,
    pub(super) clock: Clock,
    pub(super) config: BreakerConfig,
    pub(super) reporter: Reporter,
    pub(super) failed: Storm,
    pub(super) rejected: Storm,
    /// What a call writes only where it is asked for.
    pub(super) others: Option<Box<Others>>,
    /// How long a call may take before it counts as slow.
    slow_from: Option<u64>,
}

/// Calls that say nothing against the dependency: a breaker need not know how many there are, and a count of them is
/// the only thing that such a call would write.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) succeeded: Counter,
    pub(super) ignored: Counter,
}

/// What a service and its calls hold.
///
/// Each clone of a service has one of its own. A call counts the references to this one, and so touches no memory
/// that other clones touch; counting those of [`Shared`] would cost more than all the rest where threads share it.
#[derive(Debug)]
pub(super) struct Local<C> {
    pub(super) shared: Arc<Shared>,
    pub(super) classifier: C,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(
        config: BreakerConfig,
        reporter: Reporter,
        seed: Option<u64>,
        counts_calls: bool,
    ) -> Self {
        let clock = Clock::new();
        Self {
            core: Core::new((&config).into(), seed),
            clock,
            slow_from: config.slow_from().map(nanos),
            config,
            failed: Storm::new(What::Failed, &reporter, clock),
            rejected: Storm::new(What::Rejected(Reason::BreakerOpen), &reporter, clock),
            reporter,
            others: counts_calls.then(Box::default),
        }
    }

    /// A call, if all are let through.
    #[inline]
    pub(super) fn admit_at_once(&self) -> Option<Ticket> {
        self.core.admit_at_once()
    }

    /// Not in line, for calls that are not let through at once. One that is refused is counted.
    #[cold]
    #[inline(never)]
    pub(super) fn admit(&self) -> Result<Ticket, Rejection> {
        let (admitted, change) = self.core.admit(|| self.clock.now());
        self.tell(change);
        admitted.map_err(|refusal| {
            self.reject();
            self.rejection(refusal)
        })
    }

    /// Whether calls are refused now.
    #[inline]
    pub(super) fn refuses(&self) -> Option<(Rejection, Seen)> {
        if self.core.admits_all() {
            return None;
        }
        self.refuses_some()
    }

    #[cold]
    #[inline(never)]
    fn refuses_some(&self) -> Option<(Rejection, Seen)> {
        let (refusal, change) = self.core.refuses(|| self.clock.now());
        self.tell(change);
        refusal.map(|(refusal, seen)| (self.rejection(refusal), seen))
    }

    /// When a call began, if its length will be asked for whatever it does.
    #[inline]
    pub(super) fn start(&self) -> Option<u64> {
        self.slow_from.map(|_| self.clock.now())
    }

    /// When a call began to wait, if that will be asked for.
    #[inline]
    pub(super) fn wait(&self) -> Option<u64> {
        match self.config.on_cancel {
            OnCancel::FailureIfOlderThan(_) => Some(self.clock.now()),
            OnCancel::Failure | OnCancel::Ignore => None,
        }
    }

    #[inline]
    pub(super) fn record(&self, ticket: Ticket, outcome: Outcome, started: Option<u64>) {
        // Most calls, and so much is in line: by most rules a success is no news.
        if outcome == Outcome::Success
            && self.slow_from.is_none()
            && self.core.forgets_success(ticket)
        {
            if let Some(others) = &self.others {
                others.succeeded.add(1);
            }
            return;
        }
        self.record_news(ticket, outcome, started);
    }

    #[inline(never)]
    fn record_news(&self, ticket: Ticket, outcome: Outcome, started: Option<u64>) {
        let mut slow = false;
        let mut read = None;
        if let (Some(slow_from), Some(started)) = (self.slow_from, started) {
            let now = self.clock.now();
            slow = now.saturating_sub(started) >= slow_from;
            read = Some(now);
        }
        match (outcome, &self.others) {
            (Outcome::Failure, _) => self.failed.add_one(),
            (Outcome::Success, Some(others)) => others.succeeded.add(1),
            (Outcome::Ignore, Some(others)) => others.ignored.add(1),
            (Outcome::Success | Outcome::Ignore, None) => {}
        }
        let now = || read.unwrap_or_else(|| self.clock.now());
        self.tell(self.core.record(ticket, outcome, slow, now));
        // After what it has led to: who hears that it is open need not hear first of one more failure.
        if outcome == Outcome::Failure {
            self.failed.tell(self.core.generation());
        }
    }

    /// What a call says that was dropped.
    #[cold]
    pub(super) fn cancelled(&self, ticket: Ticket, started: Option<u64>) {
        let is_old = |age: Duration| {
            started.is_some_and(|at| self.clock.now().saturating_sub(at) >= nanos(age))
        };
        let outcome = match self.config.on_cancel {
            OnCancel::Failure => Outcome::Failure,
            OnCancel::FailureIfOlderThan(age) if is_old(age) => Outcome::Failure,
            OnCancel::FailureIfOlderThan(_) | OnCancel::Ignore => Outcome::Ignore,
        };
        // It was not slow to answer: it did not answer.
        self.record(ticket, outcome, None);
    }

    /// Counts a call that was not let through.
    #[inline]
    pub(super) fn reject(&self) {
        self.rejected.count(self.core.generation());
    }

    /// Counts a call that was to be rejected when this was seen, and says how it is now.
    #[inline]
    pub(super) fn reject_as_seen(&self, rejection: Rejection, seen: Seen) -> Rejection {
        // While nothing has changed the clock is not read a second time: it is most of what a rejection costs.
        if self.core.is_still(seen) {
            self.reject();
            return rejection;
        }
        self.reject_anew()
    }

    #[cold]
    #[inline(never)]
    fn reject_anew(&self) -> Rejection {
        match self.refuses() {
            Some((rejection, _)) => {
                self.reject();
                rejection
            }
            None => self.rejection(Refusal {
                retry_after: Some(Duration::ZERO),
            }),
        }
    }

    #[inline]
    pub(super) fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            self.tell_change(change);
        }
    }

    #[cold]
    fn tell_change(&self, change: Change) {
        let Change {
            from,
            to,
            generation,
            at,
        } = change;
        let what = What::Breaker { from, to };
        self.reporter
            .tell(what, generation, 1, self.clock.instant(at));
    }

    fn rejection(&self, refusal: Refusal) -> Rejection {
        Rejection::new(self.reporter.name, Reason::BreakerOpen, refusal.retry_after)
    }
}
