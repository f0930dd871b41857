use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Budget as Configured, GaveUp, RetryConfig,
    core::{
        backoff::{Backoff, Progress},
        budget::Budget,
    },
};
use crate::resilience::{
    What, clock::Clock, counter::Counter, deadline, observer::Reporter, random::Randoms,
    storm::Storm,
};

/// One retry: shared by all services of a layer, their calls, and handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: RetryConfig,
    pub(super) reporter: Reporter,
    clock: Clock,
    backoff: Backoff,
    pub(super) budget: Option<Budget>,
    random: Randoms,
    pub(super) retries: Counter,
    gave_up: [Storm; GaveUp::ALL.len()],
}

/// What a service and its calls hold.
///
/// Each clone of a service has one of its own. A call counts the references to this one, and so touches no memory that
/// other clones touch, but for the budget while that is not full.
#[derive(Debug)]
pub(super) struct Local<S, C> {
    pub(super) shared: Arc<Shared>,
    pub(super) classifier: C,
    /// What later attempts call a clone of, so that the first clones nothing. Nobody asks it whether it is ready.
    /// The lock makes it as good as one that threads may share.
    template: Mutex<S>,
}

/// How far one call has come.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    retries: u32,
    delays: Progress,
    /// When the first one had to wait, or failed.
    began: Option<Instant>,
}

impl Shared {
    /// Of a valid configuration.
    pub(super) fn new(config: RetryConfig, reporter: Reporter, seed: Option<u64>) -> Self {
        let budget = match &config.budget {
            Configured::Limited(budget) if config.max_retries > 0 => Some(Budget::new(budget)),
            Configured::Limited(_) | Configured::Unlimited => None,
        };
        let clock = Clock::new();
        Self {
            clock,
            backoff: (&config).into(),
            budget,
            random: Randoms::new(seed),
            config,
            retries: Counter::default(),
            gave_up: GaveUp::ALL.map(|why| Storm::new(What::GaveUp(why), &reporter, clock)),
            reporter,
        }
    }

    #[inline]
    pub(crate) fn deposit(&self) {
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
    }

    /// When to try again, after an attempt that failed; not before `least` has passed.
    pub(crate) fn again(
        &self,
        attempts: &mut Attempts,
        least: Option<Duration>,
    ) -> Result<Instant, GaveUp> {
        if attempts.retries >= self.config.max_retries {
            return Err(GaveUp::Attempts);
        }
        let least = least.unwrap_or_default();
        if least > self.config.max_retry_after {
            return Err(GaveUp::RetryAfter);
        }
        let delay = self.backoff.next(&mut attempts.delays, self.random.next());
        let at = Instant::now() + least + Duration::from_nanos(delay);
        let end = self.end(attempts);
        if end.is_some_and(|end| at > end) || deadline().is_some_and(|deadline| at >= deadline) {
            return Err(GaveUp::Time);
        }
        if let Some(budget) = &self.budget
            && !budget.withdraw(|| self.clock.now())
        {
            return Err(GaveUp::Budget);
        }
        attempts.retries += 1;
        self.retries.add(1);
        Ok(at)
    }

    /// When no attempt begins any more; the time begins now if it has not.
    pub(super) fn end(&self, attempts: &mut Attempts) -> Option<Instant> {
        let time = self.config.max_elapsed?;
        Some(*attempts.began.get_or_insert_with(Instant::now) + time)
    }

    #[cold]
    pub(crate) fn give_up(&self, why: GaveUp) {
        self.gave_up[why as usize].count(0);
    }

    pub(super) fn gave_up(&self, why: GaveUp) -> u64 {
        self.gave_up[why as usize].sum()
    }
}

impl Attempts {
    /// Whether the attempt under way is the last one.
    pub(super) const fn is_last(&self, config: &RetryConfig) -> bool {
        self.retries >= config.max_retries
    }
}

impl<S, C> Local<S, C> {
    pub(super) fn new(template: S, shared: &Arc<Shared>, classifier: C) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            classifier,
            template: Mutex::new(template),
        })
    }
}

impl<S: Clone, C> Local<S, C> {
    /// A service for later attempts.
    #[cold]
    pub(super) fn service(&self) -> S {
        let template = self.template.lock();
        template.unwrap_or_else(PoisonError::into_inner).clone()
    }
}
