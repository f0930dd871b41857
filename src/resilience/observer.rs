use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::time::Instant;

use super::{
    Name, Reason, Untold, breaker,
    registry::{Health, Report},
    retry,
};

/// Something that happened to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The component.
    pub name: Name,
    /// What happened.
    pub what: What,
    /// How often the component has changed its state; one more with each change. Threads may tell their notices
    /// in another order than that of what happened: of two, the one with the higher number is the later.
    pub generation: u64,
    /// How often it happened: more than once where notices are coalesced.
    pub count: u64,
    /// When, on tokio's clock.
    pub at: Instant,
}

/// What can happen to a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// A breaker went from one state to another; from closed to closed when it was reset.
    Breaker {
        /// The state before.
        from: breaker::State,
        /// The state from now on.
        to: breaker::State,
    },
    /// Calls failed that a breaker had let through, and count against what it protects.
    Failed,
    /// A service failed, and its fallback took the error.
    FellBack,
    /// A bulkhead admitted calls beyond its size: its overflow is in use.
    Overflow,
    /// Calls failed that could have been tried again, and were not: why.
    GaveUp(retry::GaveUp),
    /// The health of a registry has changed, as its [supervisor](super::registry::Supervisor) found.
    Health {
        /// As it was found before; healthy at the beginning.
        from: Health,
        /// As it was found now.
        to: Health,
    },
    /// Calls were refused.
    Rejected(Reason),
    /// Calls took longer than a timeout allows, and were dropped.
    TimedOut,
}

/// Is told what happens to components.
///
/// Called by whoever made it happen, with no lock held, and not for every call: on transitions, and for
/// the rest at most once in a second, component and kind. Every call is counted instead: see
/// [`Registry::metrics`](super::registry::Registry::metrics). It has to be quick all the same, since a call waits
/// for it. What panics in it is caught.
///
/// Any function of a [`Notice`] is one.
pub trait Observer: Send + Sync + 'static {
    /// Is told.
    fn notice(&self, notice: Notice);

    /// Is told of what comes in storms, and who tells what comes after it, should nothing follow that brings the next
    /// notice. By default only [`notice`](Self::notice)s it.
    fn coalesced(&self, notice: Notice, untold: &Untold) {
        let _ = untold;
        self.notice(notice);
    }

    /// Is told how all components of a registry are, if that has a [supervisor](super::registry::Supervisor):
    /// once in its period, by its task. Does nothing by default.
    fn report(&self, report: &Report) {
        let _ = report;
    }
}

impl<F: Fn(Notice) + Send + Sync + 'static> Observer for F {
    fn notice(&self, notice: Notice) {
        self(notice);
    }
}

impl Observer for Arc<dyn Observer> {
    fn notice(&self, notice: Notice) {
        (**self).notice(notice);
    }

    fn coalesced(&self, notice: Notice, untold: &Untold) {
        (**self).coalesced(notice, untold);
    }

    fn report(&self, report: &Report) {
        (**self).report(report);
    }
}

/// Two of them, in this order; what panics in the first does not keep the other from being told.
struct Both(Arc<dyn Observer>, Arc<dyn Observer>);

impl Observer for Both {
    fn notice(&self, notice: Notice) {
        told(|| self.0.notice(notice));
        self.1.notice(notice);
    }

    fn coalesced(&self, notice: Notice, untold: &Untold) {
        told(|| self.0.coalesced(notice, untold));
        self.1.coalesced(notice, untold);
    }

    fn report(&self, report: &Report) {
        told(|| self.0.report(report));
        self.1.report(report);
    }
}

/// These, if any, and one more.
pub(super) fn and(these: Option<Arc<dyn Observer>>, one: impl Observer) -> Arc<dyn Observer> {
    let one = Arc::new(one);
    match these {
        None => one,
        Some(these) => Arc::new(Both(these, one)),
    }
}

/// What panics in an observer stays there.
pub(super) fn told(tell: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

/// Tells the observer of a component, if it has one.
#[derive(Clone)]
pub(super) struct Reporter {
    pub(super) name: Name,
    observer: Option<Arc<dyn Observer>>,
}

impl Reporter {
    pub(super) const fn new(name: Name) -> Self {
        Self {
            name,
            observer: None,
        }
    }

    pub(super) fn observe(&mut self, observer: impl Observer) {
        self.observer = Some(and(self.observer.take(), observer));
    }

    /// Whether anybody listens.
    #[inline]
    pub(super) const fn is_heard(&self) -> bool {
        self.observer.is_some()
    }

    /// To be called with no lock held.
    pub(super) fn tell(&self, what: What, generation: u64, count: u64, at: Instant) {
        let notice = self.notice(what, generation, count, at);
        if let Some(observer) = &self.observer {
            told(|| observer.notice(notice));
        }
    }

    /// The same, of what comes in storms.
    pub(super) fn tell_coalesced(
        &self,
        what: What,
        generation: u64,
        count: u64,
        at: Instant,
        untold: &Untold,
    ) {
        let notice = self.notice(what, generation, count, at);
        if let Some(observer) = &self.observer {
            told(|| observer.coalesced(notice, untold));
        }
    }

    const fn notice(&self, what: What, generation: u64, count: u64, at: Instant) -> Notice {
        Notice {
            name: self.name,
            what,
            generation,
            count,
            at,
        }
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter")
            .field("name", &self.name)
            .field("heard", &self.is_heard())
            .finish_non_exhaustive()
    }
}
